"""A process that evaluates rules and sends alerts until it is killed, with short pauses: `python -m tests.support.alert_sender HOME`."""

import sys
import time
from contextlib import suppress
from pathlib import Path

from cobalt_tasks.alerts import evaluate, outbox, receivers, sending
from cobalt_tasks.core.errors import CobaltError
from cobalt_tasks.core.settings import load
from cobalt_tasks.db.engine import Database


def main() -> None:
    """Run until the end of the process."""
    outbox.ABANDONED_SECONDS, outbox._FIRST_PAUSE, outbox.TRIES = 1.0, 0.05, 1000
    receivers.SECONDS = 0.5
    # Each change is a message of its own, and evaluated in a transaction of its own.
    evaluate._AT_ONCE = 1
    sending._LOCK_SECONDS, sending._ROUND_SECONDS = 1.5, 0.3
    database = Database(load().database_url)
    while True:
        with suppress(CobaltError):
            evaluate.evaluate(database, Path(sys.argv[1]))
            sending.send_due(database, Path(sys.argv[1]))
        time.sleep(0.01)


if __name__ == "__main__":
    main()
