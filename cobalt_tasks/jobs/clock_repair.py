"""Mends what the ledger holds after the database's clock was set back: times that lie ahead of it.

A job that was made, started or put back at a time that has not come yet was written before the step. Its pause is
counted from now, so that it never waits longer than its own pause; one that had none is due at once.
"""

import time
from collections.abc import Sequence
from functools import partial
from typing import Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Double,
    and_,
    bindparam,
    case,
    func,
    literal,
    literal_column,
    select,
    text,
    update,
)

from cobalt_tasks.core.catalog import KINDS
from cobalt_tasks.core.kinds import Kind, Urgency
from cobalt_tasks.core.records import State
from cobalt_tasks.db import clocks, cursors
from cobalt_tasks.db.bulk import earlier, later
from cobalt_tasks.db.engine import Database, statement_now
from cobalt_tasks.db.tables import SENDABLE, STALE_AT, WAITING, freshness, jobs
from cobalt_tasks.threat import unscored

_AT_ONCE: Final = 2000
_CLOSE: Final = 1.0
"""Seconds: statements that run side by side read the clock so far apart at most."""


def mend(database: Database, seconds: float) -> bool:
    """Mend what lies ahead, page by page; return False when `seconds` were not enough: it goes on when called again.

    database: the ledger; seconds: after which no other page is started.
    """
    deadline = time.monotonic() + seconds
    pages = [
        *(partial(_mend_jobs, selected=each) for each in _selections()),
        *(partial(_mend_facts, kind=kind) for kind in KINDS),
    ]
    for page in pages:
        after: float | None = 0.0
        while after is not None:
            after = database.write(page, after)
            if time.monotonic() > deadline and after is not None:
                return False
    database.write(_mend_cursor)
    return True


def _selections() -> list[ColumnElement[bool]]:
    """Return conditions that together find every job that has not started, each by an index."""
    levels = [(kind.name, kind.level(urgency)) for kind in KINDS for urgency in Urgency]
    return [
        and_(text(condition), jobs.c.kind == kind, jobs.c.level == level)
        for condition in (SENDABLE, WAITING, "state = 'sent'")
        for kind, level in levels
    ]


def _mend_jobs(connection: Connection, after: float, selected: ColumnElement[bool]) -> float | None:
    """Mend some jobs that are due at `after` or later; return when the last of them was due, None for the last page."""
    now: ColumnElement[float] = literal(connection.execute(select(statement_now())).scalar_one(), Double())
    # `sent_at` is when a job was put back; `started_at` alone may be from before the clock was set forward.
    put_back = func.coalesce(jobs.c.sent_at, 0.0)
    written = later(func.coalesce(jobs.c.started_at, jobs.c.created_at), put_back)
    chosen = (
        select(jobs.c.id, jobs.c.not_before)
        .where(selected, jobs.c.not_before > now, jobs.c.not_before >= after, written > now + _CLOSE)
        .order_by(jobs.c.not_before)
        .limit(_AT_ONCE)
    )
    rows = connection.execute(chosen).all()
    if not rows:
        return None
    pause = case((jobs.c.not_before > written, jobs.c.not_before - written), else_=0.0)
    _put_back(connection, [row.id for row in rows], now, pause)
    return float(rows[-1].not_before) if len(rows) == _AT_ONCE else None


def _mend_facts(connection: Connection, after: float, kind: Kind) -> float | None:
    """Limit how long some facts that are stale at `after` or later stay fresh: to what their kind allows.

    The steady clock, which they go by, is set back only where a ledger is opened on a machine whose clock is behind.

    Return when the last of them was stale, None for the last page.
    """
    longest = clocks.estimate(connection) + kind.fresh_for
    stale_at: ColumnElement[float] = literal_column(STALE_AT, Double())
    key = (freshness.c.kind, freshness.c.address, freshness.c.protocol, freshness.c.port)
    chosen = (
        select(stale_at, *key)
        # The first conditions follow from the last, and have an index.
        .where(key[0] == kind.name, stale_at > longest, stale_at >= after, freshness.c.fresh_until > longest)
        .order_by(stale_at)
        .limit(_AT_ONCE)
    )
    rows = connection.execute(chosen).all()
    if rows:
        same = [column == bindparam(f"of_{column.name}") for column in key]
        marked = [{f"of_{column.name}": value for column, value in zip(key, row[1:], strict=True)} for row in rows]
        connection.execute(update(freshness).where(*same).values(fresh_until=longest), marked)
    return float(rows[-1][0]) if len(rows) == _AT_ONCE else None


def _mend_cursor(connection: Connection) -> None:
    """Move the cursor of ended jobs back to now, so that its reader does not wait for a time that it has read already."""
    cursors.limit_to_moment(connection, unscored.ENDED, connection.execute(select(statement_now())).scalar_one())


def _put_back(
    connection: Connection, ids: Sequence[int], now: ColumnElement[float], pause: ColumnElement[float]
) -> None:
    """Make jobs that have not started pending by a clock that was set back. Those that were sent are sent again.

    ids: the jobs.
    now: the clock, in epoch seconds; no time of the jobs is later afterwards, but for `not_before`.
    pause: seconds from `now` until a job is due.
    """
    connection.execute(
        update(jobs)
        .where(jobs.c.id.in_(ids), jobs.c.state.in_([State.PENDING, State.SENT]))
        .values(
            # Two messages for one job do no harm.
            state=State.PENDING,
            not_before=now + pause,
            created_at=earlier(jobs.c.created_at, now),
            started_at=case((jobs.c.started_at.is_not(None), earlier(jobs.c.started_at, now))),
            sent_at=case((jobs.c.sent_at.is_not(None), earlier(jobs.c.sent_at, now))),
        ),
    )
