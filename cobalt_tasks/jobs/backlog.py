"""Whether work gets done: since when jobs are due, and whether any were finished lately. Indexes answer all of it."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Select, and_, func, select

from cobalt_tasks.core.catalog import BY_NAME, KINDS
from cobalt_tasks.core.kinds import Kind, Urgency
from cobalt_tasks.core.records import State
from cobalt_tasks.db.engine import database_now, statement_now
from cobalt_tasks.db.tables import is_in, jobs
from cobalt_tasks.jobs import host_limits

_HIGHEST: Final = 2**31 - 1
_LOOKED_AT: Final = 5000
"""Jobs to be tried again, or finished, that are looked at, at most."""


class Backlog(Struct, frozen=True, kw_only=True):
    """The work of one kind.

    Attributes:
        due_seconds: how long the first job that no worker has claimed has been due, None when none is. Jobs that wait for
            a provider's quota are not due.
        waits_seconds: how long the first of those has waited, None when none does. Of several kinds only the first has it.
        finished: whether a job of this kind was finished within the time asked about, or tried in vain, to be tried again:
            a server that does not answer is no stall. None: not looked at, since none of any kind has been due for so long.

    """

    due_seconds: float | None
    waits_seconds: float | None
    finished: bool | None


def find(connection: Connection, within: float) -> dict[str, Backlog]:
    """Return the backlog of each kind; `within`: the last seconds in which a finished job counts."""
    clock = float(connection.execute(select(database_now())).scalar_one())
    due = {}
    for kind in KINDS:
        levels = [kind.level(urgency) for urgency in Urgency]
        due[kind.name] = _oldest(
            connection, clock, [query for level in levels for query in _unclaimed(kind.name, level)]
        )
    waiting = next((row for query in _first_waiting() if (row := connection.execute(query).first())), None)
    is_late = any(seconds is not None and seconds > within for seconds in due.values())
    return {
        kind.name: Backlog(
            due_seconds=due[kind.name],
            waits_seconds=max(0.0, clock - waiting.not_before) if waiting and waiting.kind == kind.name else None,
            finished=_has_ended(connection, kind.name, clock, clock - within) if is_late else None,
        )
        for kind in KINDS
    }


def last_finished(connection: Connection) -> dict[str, float]:
    """Return the seconds since a job was last finished, by kind. A kind that is not among the newest jobs is left out."""
    newest = (
        select(jobs.c.kind, jobs.c.finished_at)
        .where(jobs.c.finished_at.is_not(None))
        .order_by(jobs.c.finished_at.desc())
        .limit(_LOOKED_AT)
        .subquery()
    )
    age = database_now() - func.max(newest.c.finished_at)
    rows = connection.execute(select(newest.c.kind, age).group_by(newest.c.kind))
    return {kind: max(0.0, seconds) for kind, seconds in rows}


def due_levels(connection: Connection, kind: str, levels: Sequence[int]) -> list[int]:
    """Return those of the levels at which jobs are to be sent; the others need no transaction that writes.

    kind: a name of the catalog; levels: priority levels of messages, at least one.
    """
    # The first by the index's order: to find any, a planner would try its luck with the table.
    firsts = (select(func.min(jobs.c.not_before)).where(is_sendable(kind, level)) for level in levels)
    found = connection.execute(select(*(first.scalar_subquery() for first in firsts))).one()
    return [level for level, due in zip(levels, found, strict=True) if due is not None]


def unknown_levels(connection: Connection, kind: Kind) -> list[int]:
    """Return levels of unclaimed jobs of `kind` that its jobs no longer get, at most one for each gap between its levels."""
    _, ordinary, refresh = kind.levels
    gaps = (
        (1, ordinary - 1),
        (ordinary + 1, Urgency.REFRESH - 1),
        (Urgency.REFRESH, refresh - 1),
        (refresh + 1, _HIGHEST),
    )
    of_kind = select(func.min(jobs.c.level)).where(jobs.c.kind == kind.name)
    firsts = [
        of_kind.where(jobs.c.level.between(low, high), *condition)
        for low, high in gaps
        if low <= high
        for condition in ((is_in(State.PENDING), jobs.c.waits_for.is_(None)), (is_in(State.SENT),))
    ]
    found = connection.execute(select(*(first.scalar_subquery() for first in firsts))).one()
    return sorted({level for level in found if level is not None})


def is_sendable(kind: str, level: int) -> ColumnElement[bool]:
    """Return the condition that a job is to be sent now; the index of sendable jobs serves.

    kind: a name of the catalog; level: its priority level.
    """
    return and_(
        jobs.c.kind == kind,
        jobs.c.level == level,
        is_in(State.PENDING),
        jobs.c.waits_for.is_(None),
        jobs.c.not_before <= statement_now(),
    )


def _has_finished(connection: Connection, kind: str, since: float) -> bool:
    finished = select(jobs.c.id).where(jobs.c.kind == kind, jobs.c.finished_at > since)
    # From the newest on: at full speed that is at hand.
    return connection.execute(finished.order_by(jobs.c.finished_at.desc()).limit(1)).first() is not None


def _has_ended(connection: Connection, kind: str, clock: float, since: float) -> bool:
    levels = [BY_NAME[kind].level(urgency) for urgency in Urgency]
    return _has_finished(connection, kind, since) or any(
        _was_tried(connection, kind, level, clock, since) for level in levels
    )


def _was_tried(connection: Connection, kind: str, level: int, clock: float, since: float) -> bool:
    # What was tried last waits the longest, among jobs with as many attempts.
    last = (
        select(jobs.c.started_at, jobs.c.outcome)
        .where(jobs.c.kind == kind, jobs.c.level == level, is_in(State.PENDING), jobs.c.waits_for.is_(None))
        .where(jobs.c.not_before > clock)
        .order_by(jobs.c.not_before.desc())
        .limit(_LOOKED_AT)
        .subquery()
    )
    tried = select(last.c.started_at).where(last.c.started_at > since, last.c.outcome.is_not(None))
    return connection.execute(tried.limit(1)).first() is not None


def _oldest(connection: Connection, clock: float, firsts: list[Select[tuple[float | None]]]) -> float | None:
    row = connection.execute(select(*(first.scalar_subquery() for first in firsts))).one()
    oldest = min((moment for moment in row if moment is not None), default=None)
    return None if oldest is None or oldest > clock else clock - oldest


def _unclaimed(kind: str, level: int) -> list[Select[tuple[float | None]]]:
    of_level = (jobs.c.kind == kind, jobs.c.level == level)
    pending = select(func.min(jobs.c.not_before)).where(*of_level, is_in(State.PENDING), jobs.c.waits_for.is_(None))
    # Sent again, a job is due as long as before: the moment it was sent does not count.
    sent = select(jobs.c.not_before).where(*of_level, is_in(State.SENT)).order_by(jobs.c.sent_at).limit(1)
    return [pending, sent]


def _first_waiting() -> list[Select[tuple[str, float]]]:
    # In the order of its index, so that one row is read: before and behind those that wait for their host.
    waiting = select(jobs.c.kind, jobs.c.not_before).where(is_in(State.PENDING), jobs.c.waits_for.is_not(None))
    first = waiting.order_by(jobs.c.waits_for, jobs.c.level, jobs.c.not_before).limit(1)
    return [
        first.where(jobs.c.waits_for < host_limits.FIRST_PARKED),
        first.where(jobs.c.waits_for > host_limits.BEHIND_PARKED),
    ]
