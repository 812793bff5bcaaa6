"""Run as a process whose clock the test steps: does to a ledger, one word a line, what the lines ask for."""

import sys

from cobalt_tasks import sweep
from cobalt_tasks.storage import budgets, locks
from cobalt_tasks.storage.budgets import Limit
from cobalt_tasks.storage.engine import Database


def main(url: str, window: float) -> None:
    """Answer each line of stdin with one line."""
    database = Database(url)
    limits = (Limit(window=window, calls=3),)
    for line in sys.stdin:
        match line.strip():
            case "reserve":
                answer = database.write(lambda c: budgets.reserve(c, "p", limits, 1, 5.0)) is not None
            case "look":
                answer = sweep.look_at_clock(database)
            case _:
                answer = database.write(locks.take, "sweep", 1.5)
        sys.stdout.write(f"{int(answer)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
