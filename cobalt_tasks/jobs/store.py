"""The state machine of jobs: every transition is one guarded statement here, and nowhere else.

    pending → sent → running → done | failed | dead | cancelled

A message only suggests work; `claim` gives leave to do it. All times are the database's, but for
those of `freshness`.
"""

import uuid
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Final

from msgspec import Struct
from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    Double,
    Integer,
    Select,
    Text,
    and_,
    case,
    false,
    func,
    literal,
    literal_column,
    null,
    or_,
    select,
    text,
    update,
)

from cobalt_tasks.core.catalog import BY_NAME
from cobalt_tasks.core.kinds import Urgency
from cobalt_tasks.core.records import ACTIVE_STATES, FINAL_STATES, Job, NewJob, Outcome, State
from cobalt_tasks.db import clocks, counts
from cobalt_tasks.db.bulk import Columns, among, earlier, encode, insert_into, rows_of
from cobalt_tasks.db.engine import statement_now
from cobalt_tasks.db.tables import ACTIVE, hosts, is_in, jobs
from cobalt_tasks.jobs import freshness, transitions

_MOST_ACTIVE: Final = 10_000
"""Active jobs of a kind with which no fact of that kind is refreshed."""

_NEW_COLUMNS: Columns = {
    "kind": Text(),
    "address": Text(),
    "protocol": Text(),
    "port": Integer(),
    "level": Integer(),
    "forced": Boolean(),
}
_CLAIMED = (
    jobs.c.id,
    jobs.c.kind,
    jobs.c.address,
    jobs.c.protocol,
    jobs.c.port,
    jobs.c.attempts,
    jobs.c.forced,
    jobs.c.isolated,
)


class Claim(Struct, frozen=True):
    """The jobs one worker holds, and the token that proves it."""

    token: str
    jobs: list[Job]


class Sent(Struct, frozen=True):
    """A job marked as sent: its message is to follow."""

    id: int
    isolated: bool
    sent_at: float


def create(connection: Connection, new: Iterable[NewJob]) -> int:
    """Make jobs; return how many were made or made more urgent.

    One that is active already keeps the more urgent level, the earlier start and the force flag, and is sent again; one
    that is running goes on, and is as urgent as that should it come back.
    One whose fact is fresh, or whose target is paused after a failure, is not made unless forced.
    """
    best: dict[tuple[str, str, str, int], tuple[int, bool]] = {}
    for job in new:
        key = (job.kind, job.address, job.protocol, job.port)
        level, forced = best.get(key, (BY_NAME[job.kind].level(job.urgency), job.forced))
        best[key] = (min(level, BY_NAME[job.kind].level(job.urgency)), forced or job.forced)
    if not best:
        return 0
    rows = rows_of(connection, "new", _NEW_COLUMNS)
    wanted = select(
        rows.c.kind,
        rows.c.address,
        rows.c.protocol,
        rows.c.port,
        rows.c.level,
        literal(State.PENDING.value, Text()),
        rows.c.forced,
        false(),
        literal(0, Integer()),
        statement_now(),
        statement_now(),
    ).where(or_(rows.c.forced, ~freshness.is_fresh_or_paused(rows, clocks.presumed(connection))))
    columns = ["kind", "address", "protocol", "port", "level", "state", "forced", "isolated", "attempts"]
    insert = insert_into(connection, jobs).from_select([*columns, "not_before", "created_at"], wanted)
    more_urgent = insert.excluded.level < jobs.c.level
    statement = insert.on_conflict_do_update(
        index_elements=["address", "kind", "protocol", "port"],
        index_where=text(ACTIVE),
        set_={
            "level": earlier(insert.excluded.level, jobs.c.level),
            "not_before": earlier(insert.excluded.not_before, jobs.c.not_before),
            "forced": or_(jobs.c.forced, insert.excluded.forced),
            "state": case((is_in(State.RUNNING), State.RUNNING.value), else_=State.PENDING.value),
        },
        where=or_(
            more_urgent,
            and_(insert.excluded.forced, ~jobs.c.forced),
            and_(insert.excluded.forced, insert.excluded.not_before < jobs.c.not_before),
        ),
    ).returning(jobs.c.id)
    ordered = [(*key, level, forced) for key, (level, forced) in sorted(best.items())]
    with counts.adding(connection, jobs):
        return len(connection.execute(statement, encode(ordered)).all())


def due_levels(connection: Connection, kind: str, levels: Sequence[int]) -> list[int]:
    """Return those of the levels at which jobs are to be sent; the others need no transaction that writes."""
    # The first by the index's order: to find any, a planner would try its luck with the table.
    firsts = (select(func.min(jobs.c.not_before)).where(_is_sendable(kind, level)) for level in levels)
    found = connection.execute(select(*(first.scalar_subquery() for first in firsts))).one()
    return [level for level, due in zip(levels, found, strict=True) if due is not None]


def mark_sent(connection: Connection, kind: str, level: int, limit: int) -> list[Sent]:
    """Take up to `limit` due jobs of one kind and level for sending, the longest waiting first."""
    chosen = select(jobs.c.id).where(_is_sendable(kind, level)).order_by(jobs.c.not_before).limit(limit)
    statement = (
        update(jobs)
        .where(jobs.c.id.in_(unlocked(chosen)))
        .values(state=State.SENT, sent_at=statement_now())
        .returning(jobs.c.id, jobs.c.isolated, jobs.c.sent_at)
    )
    return [Sent(*row) for row in sorted(connection.execute(statement), key=itemgetter(0))]


def unmark_sent(connection: Connection, ids: Sequence[int]) -> None:
    """Undo `mark_sent` for jobs whose message could not be sent; one that was claimed meanwhile is left alone."""
    connection.execute(
        update(jobs).where(among(connection, jobs.c.id, ids), is_in(State.SENT)).values(state=State.PENDING),
    )


def resend(connection: Connection, kind: str, level: int, oldest: float | None, grace: float) -> int:
    """Take back jobs whose message is lost: sent more than `grace` seconds before the oldest message still waiting.

    `oldest` is when that was sent, None when none waits. What comes from the future was sent before the clock was set
    back, and so before everything else.
    """
    ahead = statement_now() + grace
    known: ColumnElement[float] = statement_now() if oldest is None else literal(oldest, Double())
    is_known, is_ahead = known <= ahead, jobs.c.sent_at > ahead
    is_older = and_(jobs.c.sent_at < known - grace, or_(is_known, is_ahead))
    statement = (
        update(jobs)
        .where(jobs.c.kind == kind, jobs.c.level == level, is_in(State.SENT), or_(is_older, and_(is_known, is_ahead)))
        .values(state=State.PENDING)
    )
    return connection.execute(statement).rowcount


def claim(connection: Connection, kind: str, ids: Sequence[int], lease: float) -> Claim:
    """Claim the jobs a message named: those still unclaimed, due, and not fresh meanwhile. The rest is not ours.

    kind: that of the queue the message came from. A message is only a suggestion, and any client that can write to Redis can
    make one: jobs of another kind are not claimed, or a look-up would become a probe.
    lease: seconds the claim holds without being renewed.
    """
    named = and_(
        among(connection, jobs.c.id, ids),
        jobs.c.kind == kind,
        # By exclusion: a planner that may use an index of the active jobs walks through it instead of going by id.
        jobs.c.state.not_in([State.RUNNING, *FINAL_STATES]),
        jobs.c.waits_for.is_(None),
        jobs.c.not_before <= statement_now(),
    )
    token = uuid.uuid4().hex
    steady = clocks.presumed(connection)
    wanted = and_(named, or_(jobs.c.forced, ~freshness.is_fresh_or_paused(jobs, steady)))
    claimed = _claim(connection, token, kind, wanted, lease)
    if len(claimed) < len(ids):
        _end_superfluous(connection, named, steady)
    return Claim(token, claimed)


def claim_waiting(connection: Connection, kind: str, waits_for: str, limit: int, lease: float) -> Claim:
    """Claim up to `limit` jobs that wait for something shared, after it was reserved for them."""
    token = uuid.uuid4().hex
    wanted = (
        select(jobs.c.id)
        .where(
            jobs.c.kind == kind,
            is_in(State.PENDING),
            jobs.c.waits_for == waits_for,
            jobs.c.not_before <= statement_now(),
        )
        .order_by(jobs.c.level, jobs.c.not_before)
        .limit(limit)
    )
    return Claim(token, _claim(connection, token, kind, jobs.c.id.in_(unlocked(wanted)), lease))


def finish(connection: Connection, token: str, outcomes: Sequence[Outcome]) -> set[int]:
    """Write the outcomes of a batch; return the ids that were still ours. Facts may be stored only for those.

    A worker whose claim was reaped while it was frozen gets nothing back.
    """
    if not outcomes:
        return set()
    rows = rows_of(connection, "outcomes", transitions.COLUMNS)
    # SQLite would take that index and read the whole batch for each of its jobs; the plus keeps it from it.
    held = literal_column("+jobs.claim") if connection.dialect.name == "sqlite" else jobs.c.claim
    statement = (
        update(jobs)
        # A claim's token is set only while its jobs are running; that state is named for PostgreSQL's index of claims.
        .where(jobs.c.id == rows.c.id, held == token, is_in(State.RUNNING))
        .values(
            state=rows.c.state,
            outcome=rows.c.outcome,
            detail=rows.c.detail,
            isolated=rows.c.isolated,
            attempts=rows.c.attempts,
            waits_for=rows.c.waits_for,
            not_before=statement_now() + rows.c.after,
            # The moment its pause is counted from, should the clock be set back (clock_repair.py).
            sent_at=case((rows.c.state == State.PENDING, statement_now()), else_=jobs.c.sent_at),
            claim=None,
            finished_at=case((rows.c.state == State.PENDING, null()), else_=statement_now()),
        )
        .returning(jobs.c.id)
    )
    ours = set(connection.execute(statement, encode(map(transitions.row, outcomes))).scalars())
    freshness.remember(
        connection, [(outcome, transitions.state(outcome)) for outcome in outcomes if outcome.job.id in ours]
    )
    return ours


def refresh(connection: Connection, kind: str, limit: int) -> int:
    """Make refresh jobs for up to `limit` facts of a kind that have gone stale; return how many.

    None while many jobs of that kind are active: they would wait behind those, and stale facts that have a job already
    are looked at again each time.
    """
    counted = counts.jobs_by_kind_and_state(connection)
    if sum(counted.get((kind, state), 0) for state in ACTIVE_STATES) >= _MOST_ACTIVE:
        return 0
    targets = connection.execute(freshness.stale(kind, limit, clocks.presumed(connection))).all()
    return create(
        connection,
        [
            NewJob(kind=kind, address=a, protocol=proto, port=port, urgency=Urgency.REFRESH)
            for a, proto, port in targets
        ],
    )


def _claim(connection: Connection, token: str, kind: str, wanted: ColumnElement[bool], lease: float) -> list[Job]:
    statement = (
        update(jobs)
        .where(wanted)
        .values(
            state=State.RUNNING,
            claim=token,
            waits_for=None,
            started_at=statement_now(),
            lease=lease,
            renewals=0,
        )
        .returning(*_CLAIMED)
    )
    rows = sorted(connection.execute(statement).mappings(), key=itemgetter("id"))
    if not BY_NAME[kind].is_active:
        return [Job(**row) for row in rows]
    addresses = {row["address"] for row in rows}
    reported = select(hosts.c.address).where(hosts.c.address.in_(addresses), hosts.c.discovered)
    discovered = set(connection.execute(reported).scalars())
    return [Job(**row, discovered=row["address"] in discovered) for row in rows]


def _end_superfluous(connection: Connection, named: ColumnElement[bool], steady: float) -> None:
    reasons = (
        ("fresh", State.DONE, freshness.is_fresh(jobs, steady)),
        ("paused", State.CANCELLED, freshness.is_paused(jobs, steady)),
    )
    for reason, state, holds in reasons:
        connection.execute(
            update(jobs)
            .where(named, ~jobs.c.forced, holds)
            .values(state=state, outcome=reason, finished_at=statement_now()),
        )


def _is_sendable(kind: str, level: int) -> ColumnElement[bool]:
    return and_(
        jobs.c.kind == kind,
        jobs.c.level == level,
        is_in(State.PENDING),
        jobs.c.waits_for.is_(None),
        jobs.c.not_before <= statement_now(),
    )


def unlocked(chosen: Select[tuple[int]]) -> Select[tuple[int]]:
    """Leave out what another transaction is changing just now."""
    # SQLite has one writer at a time and leaves this out.
    return chosen.with_for_update(skip_locked=True, of=jobs)
