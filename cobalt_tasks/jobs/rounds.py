"""Periodic rounds: one at a time on all machines, within a time that ends well before Celery would kill the process. Each is
recorded as ended well or failed. What a round does is in reaper.py.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from msgspec import Struct
from sqlalchemy import Connection, null, select

from cobalt_tasks.core.errors import CobaltError, DatabaseUnavailableError
from cobalt_tasks.core.timeouts import SWEEP_SECONDS
from cobalt_tasks.db import locks
from cobalt_tasks.db.bulk import insert_into
from cobalt_tasks.db.engine import Database, database_now
from cobalt_tasks.db.tables import rounds as table

SWEEP: Final = "sweep"
"""Reaps what was lost and sends what is due."""

UPKEEP: Final = "upkeep"
"""What may wait: scores, refreshes, the end of what is old."""

ROUND_SECONDS: Final = 10.0
"""The longest a round may take: a third of the soft time limit of a task."""

_PAUSE_SECONDS: Final = SWEEP_SECONDS / 2
_LONGEST_REASON: Final = 300
_SKEW_SECONDS: Final = 5.0
"""A moment further ahead than this was written before the database's clock was stepped back."""


class Round(Struct, frozen=True, kw_only=True):
    """One sort of round; ages in seconds by the database's clock, None for never, or not since that clock was stepped back.

    Attributes:
        started: since the last one started.
        ended: since the last one ended well.
        failures: how many failed in a row since.
        reason: why the last one failed, None when it ended well.

    """

    name: str
    started: float | None
    ended: float | None
    failures: int
    reason: str | None


def run(database: Database, name: str, work: Callable[[], None]) -> bool:
    """Do one round, unless one is being done or has just been; return whether it was.

    database: the ledger; name: SWEEP or UPKEEP; work: the round, interrupted after `ROUND_SECONDS`.

    Raises:
        Exception: what `work` raised, once it is recorded.

    """
    if not database.write(locks.take, name, ROUND_SECONDS):
        return False
    began = time.monotonic()
    try:
        database.write(start, name)
        with database.deadline(ROUND_SECONDS):
            work()
        database.write(end, name)
    except Exception as error:
        with suppress(DatabaseUnavailableError):
            database.write(fail, name, reason(error))
        raise
    finally:
        with suppress(DatabaseUnavailableError):
            pause = max(0.0, _PAUSE_SECONDS - (time.monotonic() - began))
            database.write(locks.release, name, pause)
    return True


def reason(error: Exception) -> str:
    """Return one line that describes what went wrong, without a statement or its values."""
    cause = getattr(error, "orig", None) or error
    text = " ".join(str(cause).split()) or (type(cause).__doc__ or "").split("\n", 1)[0]
    return text if isinstance(error, CobaltError) else f"{type(cause).__name__}: {text}"


def start(connection: Connection, name: str) -> None:
    """Record that the round `name` starts."""
    insert = insert_into(connection, table).values(name=name, started_at=database_now(), failures=0)
    connection.execute(insert.on_conflict_do_update(index_elements=["name"], set_={"started_at": database_now()}))


def end(connection: Connection, name: str) -> None:
    """Record that the round `name` ended well."""
    values = {"ended_at": database_now(), "failures": 0, "reason": null()}
    insert = insert_into(connection, table).values(name=name, started_at=database_now(), **values)
    connection.execute(insert.on_conflict_do_update(index_elements=["name"], set_=values))


def fail(connection: Connection, name: str, reason: str) -> bool:
    """Record why a round failed; return whether the one before did not fail for the same reason.

    name: SWEEP or UPKEEP; reason: one line, cut to 300 characters.
    """
    reason = reason[:_LONGEST_REASON]
    before = connection.execute(select(table.c.reason).where(table.c.name == name)).scalar()
    insert = insert_into(connection, table).values(name=name, started_at=database_now(), failures=1, reason=reason)
    again = {"failures": table.c.failures + 1, "reason": reason}
    connection.execute(insert.on_conflict_do_update(index_elements=["name"], set_=again))
    return bool(before != reason)


def find(connection: Connection) -> dict[str, Round]:
    """Return every sort of round that was ever started, by name."""
    clock = database_now()
    query = select(table.c.name, clock - table.c.started_at, clock - table.c.ended_at, table.c.failures, table.c.reason)
    return {
        name: Round(name=name, started=_age(started), ended=_age(ended), failures=failures, reason=reason)
        for name, started, ended, failures, reason in connection.execute(query)
    }


def _age(seconds: float | None) -> float | None:
    return None if seconds is None or seconds < -_SKEW_SECONDS else max(0.0, seconds)
