"""Periodic rounds: one at a time on all machines, within a time that ends well before Celery would kill the process, and
each recorded as ended well or failed.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from cobalt_tasks.core.errors import CobaltError, DatabaseUnavailableError
from cobalt_tasks.core.timeouts import SWEEP_SECONDS
from cobalt_tasks.db import locks
from cobalt_tasks.db.engine import Database
from cobalt_tasks.jobs import round_log as rounds

SWEEP: Final = "sweep"
"""Takes back what was lost and sends what is due."""

UPKEEP: Final = "upkeep"
"""What may wait: scores, refreshes, the end of what is old."""

ROUND_SECONDS: Final = 10.0
"""The longest a round may take: a third of the soft time limit of a task."""

_PAUSE_SECONDS: Final = SWEEP_SECONDS / 2


def run(database: Database, name: str, work: Callable[[], None]) -> bool:
    """Do one round, unless one is being done or has just been; return whether it was.

    `name`: SWEEP or UPKEEP; `work` is interrupted after `ROUND_SECONDS`.

    Raises:
        Exception: what `work` raised, once it is recorded.

    """
    if not database.write(locks.take, name, ROUND_SECONDS):
        return False
    began = time.monotonic()
    try:
        database.write(rounds.start, name)
        with database.deadline(ROUND_SECONDS):
            work()
        database.write(rounds.end, name)
    except Exception as error:
        with suppress(DatabaseUnavailableError):
            database.write(rounds.fail, name, reason(error))
        raise
    finally:
        with suppress(DatabaseUnavailableError):
            pause = max(0.0, _PAUSE_SECONDS - (time.monotonic() - began))
            database.write(locks.release, name, pause)
    return True


def reason(error: Exception) -> str:
    """Return one line that says what went wrong, without a statement or its values."""
    cause = getattr(error, "orig", None) or error
    text = " ".join(str(cause).split()) or (type(cause).__doc__ or "").split("\n", 1)[0]
    return text if isinstance(error, CobaltError) else f"{type(cause).__name__}: {text}"
