"""Minutes, hours and days that something is counted by, in tables with the columns `span` and `start`."""

import time
from typing import Final

from sqlalchemy import ColumnElement, Connection, Table, and_, delete

from cobalt_tasks.core.durations import DAY, HOUR, MINUTE

LENGTHS: Final = {"minute": MINUTE, "hour": HOUR, "day": DAY}
"""In seconds."""


def start(span: str, at: float) -> int:
    """Return the first second of the `span` ("minute", "hour" or "day", in UTC) that `at` lies in, both epoch seconds."""
    return int(at // LENGTHS[span] * LENGTHS[span])


def within(table: Table, span: str, since: float, until: float | None = None) -> ColumnElement[bool]:
    """Return the condition for the counts of a time.

    Args:
        table: of counts.
        span: "minute", "hour" or "day".
        since: epoch seconds; the span that this lies in is the first.
        until: epoch seconds; the span that this lies in is the last. None: up to now.

    """
    found = and_(table.c.span == span, table.c.start >= start(span, since))
    return found if until is None else and_(found, table.c.start <= int(until))


def expire(connection: Connection, table: Table, span: str, seconds: float) -> None:
    """Delete old counts.

    Args:
        connection: to the ledger.
        table: of counts.
        span: of the counts that go: "minute", "hour" or "day".
        seconds: how old those may become that stay.

    """
    connection.execute(delete(table).where(table.c.span == span, table.c.start < time.time() - seconds))
