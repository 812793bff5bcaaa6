"""Run as a process whose clock the test steps: does to a ledger, one word a line, what the lines ask for."""

import sys

from cobalt_tasks import sweep
from cobalt_tasks.catalog import BY_NAME, Urgency
from cobalt_tasks.contracts import NewJob, Outcome, Verdict
from cobalt_tasks.storage import budgets, jobs, locks, new_jobs
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
            case "work":
                answer = any([work(database, "192.0.2.1", Verdict.DONE), work(database, "192.0.2.2", Verdict.FAILED)])
            case _:
                answer = database.write(locks.take, "sweep", 1.5)
        sys.stdout.write(f"{int(answer)}\n")
        sys.stdout.flush()


def work(database: Database, address: str, verdict: Verdict) -> bool:
    """Let input and a user ask for an address; return whether there was anything to do, after doing it."""
    database.write(new_jobs.create, [NewJob(kind="domain", address=address)])
    database.write(jobs.create, [NewJob(kind="domain", address=address)])
    step = BY_NAME["domain"].step(Urgency.ORDINARY)
    sent = database.write(jobs.mark_sent, "domain", step, 10)
    claim = database.write(jobs.claim, "domain", [each.id for each in sent], 60.0)
    database.write(jobs.finish, claim.token, [Outcome(job=job, verdict=verdict, code="test") for job in claim.jobs])
    return bool(claim.jobs)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
