"""Mends what the ledger holds after the database's clock was set back: times that lie ahead of it.

A job that was made or begun at a time that has not come yet was written before the step. Its pause is counted from now, so
that it never waits longer than its own pause; one that had none is due at once.
"""

import time
from typing import Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Double,
    and_,
    case,
    func,
    literal,
    literal_column,
    select,
    text,
    update,
)

from cobalt_tasks.catalog import KINDS, Urgency
from cobalt_tasks.contracts import State
from cobalt_tasks.storage.bulk import earlier
from cobalt_tasks.storage.engine import Database, statement_now
from cobalt_tasks.storage.models import SENDABLE, STALE_AT, WAITING, cursors, freshness, jobs

_AT_ONCE: Final = 2000
_CLOSE: Final = 1.0
"""Seconds: statements that run side by side read the clock so far apart at most."""


def mend(database: Database, seconds: float) -> bool:
    """Mend what lies ahead, page by page; return False when `seconds` were not enough: it goes on when called again."""
    deadline = time.monotonic() + seconds
    for selected in _selections():
        after = 0.0
        while True:
            last = database.write(_mend_page, selected, after)
            if last is None:
                break
            after = last
            if time.monotonic() > deadline:
                return False
    database.write(_mend_rest)
    return True


def _selections() -> list[ColumnElement[bool]]:
    """Return conditions that together find every job that has not begun, each by an index."""
    steps = [(kind.name, kind.step(urgency)) for kind in KINDS for urgency in Urgency]
    return [
        and_(text(condition), jobs.c.kind == kind, jobs.c.step == step)
        for condition in (SENDABLE, WAITING, "state = 'sent'")
        for kind, step in steps
    ]


def _mend_page(connection: Connection, selected: ColumnElement[bool], after: float) -> float | None:
    """Mend some jobs that are due at `after` or later; return when the last of them was due, None for the last page."""
    now: ColumnElement[float] = literal(connection.execute(select(statement_now())).scalar_one(), Double())
    written = func.coalesce(jobs.c.started_at, jobs.c.created_at)
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
    connection.execute(
        update(jobs)
        .where(jobs.c.id.in_([row.id for row in rows]), jobs.c.state.in_([State.PENDING, State.SENT]))
        .values(
            # What was sent is sent again: two messages for one job do no harm.
            state=State.PENDING,
            not_before=now + pause,
            created_at=earlier(jobs.c.created_at, now),
            started_at=case((jobs.c.started_at.is_not(None), earlier(jobs.c.started_at, now))),
        ),
    )
    return float(rows[-1].not_before) if len(rows) == _AT_ONCE else None


def _mend_rest(connection: Connection) -> None:
    """Let no fact be fresh for longer than its kind may be, and no reader of the ledger wait for a time it has read already."""
    for kind in KINDS:
        longest = statement_now() + kind.fresh_for
        connection.execute(
            update(freshness)
            # The first condition follows from the second, and has an index.
            .where(
                freshness.c.kind == kind.name,
                literal_column(STALE_AT, Double()) > longest,
                freshness.c.fresh_until > longest,
            )
            .values(fresh_until=longest),
        )
    ahead = and_(cursors.c.name == "evidence: jobs", cursors.c.position > statement_now())
    connection.execute(update(cursors).where(ahead).values(position=statement_now()))
