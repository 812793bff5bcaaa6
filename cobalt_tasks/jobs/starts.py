"""Processes that do not stay up: each start or bad end of the last minutes is a row."""

from typing import Final

from msgspec import Struct
from sqlalchemy import Connection, delete, func, insert, or_, select

from cobalt_tasks.db.engine import database_now
from cobalt_tasks.db.tables import starts

WINDOW_SECONDS: Final = 300.0
_LOOP: Final = 3
_OVER_SECONDS: Final = 90.0
"""Without a restart for longer than the longest pause between two, the process stays up."""

_MOST_ROWS: Final = 1000
_LONGEST_REASON: Final = 300


class Loop(Struct, frozen=True, kw_only=True):
    """A process that restarts in a loop.

    Attributes:
        name: of the process.
        restarts: in the last `WINDOW_SECONDS`.
        reason: how it ended last, None when it could not be seen.

    """

    name: str
    restarts: int
    reason: str | None


def add(connection: Connection, name: str, reason: str | None) -> None:
    """Record that a process starts or that it ended badly.

    name: of the process; reason: why it ended, one line, cut to 300 characters; None when it starts.
    """
    forget_before = database_now() - WINDOW_SECONDS
    # What lies ahead was written before the clock was stepped back.
    connection.execute(delete(starts).where(or_(starts.c.at < forget_before, starts.c.at > database_now() + 5)))
    reason = None if reason is None else reason[:_LONGEST_REASON]
    if connection.execute(select(func.count()).select_from(starts)).scalar_one() < _MOST_ROWS:
        connection.execute(insert(starts).values(name=name, at=database_now(), reason=reason))


def forget(connection: Connection, name: str) -> None:
    """Delete the last start of the process `name`, which ends as it should."""
    last = select(func.max(starts.c.id)).where(starts.c.name == name, starts.c.reason.is_(None)).scalar_subquery()
    connection.execute(delete(starts).where(starts.c.id == last))


def loops(connection: Connection) -> list[Loop]:
    """Return the processes that restart in a loop, by name."""
    age = (database_now() - starts.c.at).label("age")
    rows = connection.execute(select(starts.c.name, starts.c.reason, age).order_by(starts.c.id)).all()
    names: dict[str, list[tuple[str | None, float]]] = {}
    for name, reason, seconds in rows:
        if seconds + 1 >= 0 and seconds < WINDOW_SECONDS:
            names.setdefault(name, []).append((reason, seconds))
    found = []
    for name, events in sorted(names.items()):
        # The first of the starts is no restart; a bad end is always followed by one.
        restarts = len(events) - (events[0][0] is None)
        reason, last = events[-1]
        # Under `cobalt up`, a worker and its supervisor both add rows: the supervisor knows the reason.
        is_supervised = name.partition("@")[0] in names and "@" in name
        if restarts >= _LOOP and last < _OVER_SECONDS and not is_supervised:
            found.append(Loop(name=name, restarts=restarts, reason=reason))
    return found
