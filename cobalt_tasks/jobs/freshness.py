"""How long facts stay good, and for how long no job is made for a target after a failure: a row for each (kind, target).

Both are counted by the steady clock (`clocks`), `now` in here: a step of the database's clock makes no fact stale early.
"""

from collections.abc import Iterable
from functools import lru_cache
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Dialect,
    Double,
    Insert,
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
)

from cobalt_tasks.core.catalog import BY_NAME, KINDS
from cobalt_tasks.core.records import ACTIVE_STATES, Outcome, State
from cobalt_tasks.db import clocks
from cobalt_tasks.db.bulk import Columns, encode, insert_into, rows_of
from cobalt_tasks.db.tables import STALE_AT, freshness, jobs, written

_TARGET = ("kind", "address", "protocol", "port")
_STALE_AT: ColumnElement[float] = literal_column(STALE_AT, Double())
_COLUMNS: Columns = {
    "kind": Text(),
    "address": Text(),
    "protocol": Text(),
    "port": Integer(),
    "fresh_for": Double(),
    "paused_for": Double(),
}


def is_fresh(target: Any, now: float) -> ColumnElement[bool]:
    """Return the condition that the fact of a target is still good.

    target: a table with the columns kind, address, protocol and port; now: the steady clock, in seconds.
    """
    return exists().where(_same(freshness, target), freshness.c.fresh_until > now)


def is_paused(target: Any, now: float) -> ColumnElement[bool]:
    """Return the condition that no job is to be made for a target yet, after a failure.

    target: a table with the columns kind, address, protocol and port; now: the steady clock, in seconds.
    """
    return exists().where(_same(freshness, target), _pauses(now))


def is_fresh_or_paused(target: Any, now: float | ColumnElement[float]) -> ColumnElement[bool]:
    """Return the condition that the fact of a target is fresh or the target is paused, by one look-up.

    Args:
        target: a table with the columns kind, address, protocol and port.
        now: the steady clock.

    """
    return exists().where(_same(freshness, target), or_(freshness.c.fresh_until > now, _pauses(now)))


def stale(kind: str, limit: int, now: float) -> Select[str, str, int]:
    """Choose up to `limit` targets whose facts are stale and that have no active job, the stalest first.

    kind: a name of the catalog; limit: 1 or more; now: the steady clock, in seconds.
    """
    return (
        select(freshness.c.address, freshness.c.protocol, freshness.c.port)
        .where(
            freshness.c.kind == kind,
            literal(now, Double()) > _STALE_AT,
            # The states are written out, so that the index of the active jobs serves.
            ~exists().where(_same(jobs, freshness), jobs.c.state.in_(map(written, ACTIVE_STATES))),
        )
        .order_by(_STALE_AT)
        .limit(limit)
    )


def _pauses(now: float | ColumnElement[float]) -> ColumnElement[bool]:
    """Return the condition that a pause is under way; one longer than its kind's was started by a clock that was wrong."""
    longest = case(*((freshness.c.kind == kind.name, kind.pause) for kind in KINDS), else_=0.0)
    return freshness.c.paused_until.between(now, longest + now)


def remember(connection: Connection, ended: Iterable[tuple[Outcome, State]]) -> None:
    """Write what follows from outcomes: the fact of a job that is done is fresh, the target of a failed one is paused.

    ended: each outcome, and the state that it leads to; other states than done and failed change nothing.
    """
    # Asked for nothing, too: what is put back by a clock that was stepped is mended if that was noticed.
    now = clocks.presumed(connection)
    rows = sorted((row for outcome, state in ended if (row := _row(outcome, state))), key=itemgetter(0, 1, 2, 3))
    if not rows:
        return
    connection.execute(_remember(connection.dialect), {"now": now, **encode(rows)})


@lru_cache(8)
def _remember(dialect: Dialect) -> Insert:
    """Build the statement of `remember`, once; its parameters are the rows and `now`."""
    now: ColumnElement[float] = bindparam("now", type_=Double())
    new = rows_of(dialect, "facts", _COLUMNS)
    selected = select(
        new.c.kind,
        new.c.address,
        new.c.protocol,
        new.c.port,
        now + new.c.fresh_for,
        now + new.c.paused_for,
    ).where(true())
    insert = insert_into(dialect, freshness).from_select(
        [*_TARGET, "fresh_until", "paused_until"],
        selected,
    )
    return insert.on_conflict_do_update(
        index_elements=_TARGET,
        set_={
            # A failure makes nothing fresh, and takes no freshness away.
            "fresh_until": func.coalesce(insert.excluded.fresh_until, freshness.c.fresh_until),
            "paused_until": insert.excluded.paused_until,
        },
    )


def _row(outcome: Outcome, state: State) -> tuple[Any, ...] | None:
    job, kind = outcome.job, BY_NAME[outcome.job.kind]
    target = (job.kind, job.address, job.protocol, job.port)
    match state:
        case State.DONE:
            return (*target, kind.fresh_for if outcome.fresh_for is None else outcome.fresh_for, None)
        case State.FAILED:
            return (*target, None, kind.pause)
    return None


def _same(left: Any, right: Any) -> ColumnElement[bool]:
    return and_(*(left.c[name] == right.c[name] for name in _TARGET))
