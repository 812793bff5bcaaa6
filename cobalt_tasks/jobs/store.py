"""The state machine of jobs: every change of a job's state is one guarded statement here; creation.py inserts them, host_limits.py
parks what waits for its host, and clock_repair.py mends times.

    pending → sent → running → done | failed | dead | cancelled

A message only suggests work; only `claim` allows a worker to do it. All times are the database's, but for those of
`freshness`.
"""

import uuid
from collections.abc import Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import (
    ColumnElement,
    Connection,
    Dialect,
    Double,
    and_,
    case,
    false,
    func,
    literal,
    null,
    or_,
    select,
    true,
    union_all,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from cobalt_tasks.core.catalog import BY_NAME
from cobalt_tasks.core.kinds import Kind, Urgency
from cobalt_tasks.core.records import ACTIVE_STATES, FINAL_STATES, SUSPECT, WORKER_LOST, Job, Outcome, State
from cobalt_tasks.db import clocks
from cobalt_tasks.db.bulk import among, earlier, encode, one_of, rows_of, unlocked
from cobalt_tasks.db.engine import database_now, statement_now
from cobalt_tasks.db.tables import hosts, is_in, jobs, written
from cobalt_tasks.jobs import freshness, verdicts
from cobalt_tasks.jobs.backlog import is_sendable
from cobalt_tasks.jobs.verdicts import MAX_ATTEMPTS

IS_SUSPECT: Final = func.coalesce(jobs.c.outcome.in_(SUSPECT), false())
"""The condition that a job ran when its worker was lost or held up. While it has not ended, it runs with few others."""

_CLAIMED: Final = (
    *(jobs.c[name] for name in ("id", "kind", "address", "protocol", "port", "attempts", "forced", "isolated")),
    IS_SUSPECT.label("suspect"),
)

TARGET: Final = tuple(jobs.c[name] for name in ("kind", "address", "protocol", "port"))
Targets = Mapping[int, tuple[Any, ...]]
"""Ids of jobs, the newest first, and the values of `TARGET` of each."""

RETRIABLE: Final = (State.FAILED, State.DEAD, State.CANCELLED)
_AT_ONCE: Final = earlier(jobs.c.not_before, statement_now())
"""A job that was started was due; by a clock that was set back since, it may not be."""


class Claim(Struct, frozen=True):
    """The jobs one worker holds, and the token that proves it."""

    token: str
    jobs: list[Job]


class Sent(Struct, frozen=True):
    """A job marked as sent: its message is to follow."""

    id: int
    isolated: bool
    suspect: bool
    sent_at: float


def mark_sent(connection: Connection, kind: str, level: int, limit: int) -> list[Sent]:
    """Mark up to `limit` due jobs of one `kind` and one priority `level` as sent, the longest waiting first."""
    chosen = select(jobs.c.id).where(is_sendable(kind, level)).order_by(jobs.c.not_before).limit(limit)
    statement = (
        update(jobs)
        .where(jobs.c.id.in_(unlocked(chosen, jobs)))
        .values(state=State.SENT, sent_at=statement_now())
        .returning(jobs.c.id, jobs.c.isolated, IS_SUSPECT, jobs.c.sent_at)
    )
    return [Sent(*row) for row in sorted(connection.execute(statement), key=itemgetter(0))]


def unmark_sent(connection: Connection, ids: Sequence[int]) -> None:
    """Undo `mark_sent` for the jobs `ids` whose message could not be sent; one that was claimed meanwhile is left alone."""
    connection.execute(
        update(jobs).where(among(connection, jobs.c.id, ids), is_in(State.SENT)).values(state=State.PENDING),
    )


def resend(connection: Connection, kind: str, level: int, oldest: float | None, grace: float) -> int:
    """Make jobs pending again whose message is lost: sent over `grace` seconds before the oldest message in the queue.

    A job sent in the future was sent before the clock was set back, and so before all others.

    kind, level: of the jobs. oldest: when that message was sent, in epoch seconds; None when the queue is empty.
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


def relevel(connection: Connection, kind: Kind, level: int, limit: int) -> int:
    """Change the level of jobs from one that an older version wrote to one of their kind's; return how many.

    kind: of the jobs; level: one that no job of this kind gets any more; limit: the most jobs to change at once.
    """
    chosen = select(jobs.c.id).where(jobs.c.kind == kind.name, jobs.c.level == level, is_in(State.PENDING))
    sent = select(jobs.c.id).where(jobs.c.kind == kind.name, jobs.c.level == level, is_in(State.SENT))
    either = union_all(select(chosen.limit(limit).subquery()), select(sent.limit(limit).subquery())).subquery()
    urgency = Urgency.ORDINARY if level < Urgency.REFRESH else Urgency.REFRESH
    statement = update(jobs).where(jobs.c.id.in_(select(either.c.id)), jobs.c.state.in_([State.PENDING, State.SENT]))
    # What was sent is sent again: two messages for one job do no harm.
    return connection.execute(statement.values(level=kind.level(urgency), state=State.PENDING)).rowcount


def claim(connection: Connection, kind: str, ids: Sequence[int], lease: float, token: str | None = None) -> Claim:
    """Claim the jobs a message named: those still unclaimed, due, and not fresh meanwhile. The rest is not ours.

    kind: that of the queue the message came from. A message is only a suggestion, and any client that can write to Redis can
    make one: jobs of another kind are not claimed, or a look-up would become a probe.
    ids: of the jobs. lease: seconds the claim holds without being renewed. token: of a claim these jobs are added to, None
    for a new one.
    """
    named = and_(
        among(connection, jobs.c.id, ids),
        jobs.c.kind == kind,
        # By exclusion: a planner that may use an index of the active jobs walks through it instead of going by id.
        jobs.c.state.not_in([State.RUNNING, *FINAL_STATES]),
        jobs.c.waits_for.is_(None),
        jobs.c.not_before <= statement_now(),
    )
    token = token or uuid.uuid4().hex
    steady = clocks.presumed(connection)
    wanted = and_(named, or_(jobs.c.forced, ~freshness.is_fresh_or_paused(jobs, steady)))
    claimed = _claim(connection, token, kind, wanted, lease)
    if len(claimed) < len(ids):
        _end_superfluous(connection, named, steady)
    return Claim(token, claimed)


def claim_waiting(connection: Connection, kind: str, waits_for: str, limit: int, lease: float) -> Claim:
    """Claim up to `limit` jobs that wait for something shared, after it was reserved for them.

    kind: of the jobs; waits_for: the name of what they wait for; lease: seconds the claim holds without being renewed.
    """
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
    return Claim(token, _claim(connection, token, kind, jobs.c.id.in_(unlocked(wanted, jobs)), lease))


def finish(connection: Connection, token: str, outcomes: Sequence[Outcome]) -> set[int]:
    """Write the `outcomes` of the claim that has the `token`, as `finish_all` does."""
    return finish_all(connection, {token: outcomes})


def finish_all(connection: Connection, ended: Mapping[str, Sequence[Outcome]]) -> set[int]:
    """Write what came of jobs; return the ids that were still ours. Facts may be stored only for those.

    A worker whose claim was reaped while it was frozen gets nothing back.

    ended: the outcomes by the token of the claim their jobs were held under.
    """
    outcomes = [outcome for each in ended.values() for outcome in each]
    if not outcomes:
        return set()
    given = [verdicts.row(outcome, token) for token, each in ended.items() for outcome in each]
    ours = set(connection.execute(_finish(connection.dialect), encode(given)).scalars())
    freshness.remember(connection, [(each, verdicts.state(each)) for each in outcomes if each.job.id in ours])
    return ours


def release(connection: Connection, token: str) -> int:
    """Make what a claim holds pending again, as it was; a stopping worker does this, and it is no attempt.

    token: the claim's token.
    """
    statement = update(jobs).where(is_held_by(token)).values(state=State.PENDING, claim=None, not_before=_AT_ONCE)
    return connection.execute(statement).rowcount


def reap(connection: Connection, token: str, renewals: int) -> int:
    """Make the jobs of a lost worker's claim pending again, or dead; return how many.

    One of them may be the reason. They are suspect from now on, and run with a few others; those that were so already, and
    the only one of its claim, are isolated (a batch of one). Only an isolated run counts as an attempt, so that one
    poisonous target cannot condemn its neighbours; after the last the job is dead.

    token: the claim's token.
    renewals: how often the claim had been renewed when it was found stalled; one renewed since is left as it is.
    """
    attempts = jobs.c.attempts + case((jobs.c.isolated, 1), else_=0)
    is_last = attempts >= MAX_ATTEMPTS
    unrenewed = and_(is_held_by(token), jobs.c.renewals == renewals)
    held = connection.execute(select(func.count()).select_from(jobs).where(is_held_by(token))).scalar_one()
    statement = (
        update(jobs)
        .where(jobs.c.id.in_(unlocked(select(jobs.c.id).where(unrenewed), jobs)))
        .values(
            state=case((is_last, State.DEAD.value), else_=State.PENDING.value),
            attempts=attempts,
            isolated=true() if held == 1 else or_(jobs.c.isolated, IS_SUSPECT),
            claim=None,
            not_before=_AT_ONCE,
            finished_at=case((is_last, statement_now()), else_=null()),
            outcome=WORKER_LOST,
            detail=case((is_last, f"its worker was lost {MAX_ATTEMPTS} times"), else_=null()),
        )
    )
    return connection.execute(statement).rowcount


def retry(connection: Connection, chosen: Targets) -> int:
    """Make failed, dead and cancelled jobs pending again, with all their attempts; return how many.

    One whose target has an active job of that kind is left as it is; of several for one target the newest is retried.

    chosen: the jobs, the newest first.
    """
    newest = {target: number for number, target in reversed([*chosen.items()])}
    same = jobs.alias("same")
    is_active = (
        select(same.c.id)
        # The states are written out, so that the database can use the index of the active jobs.
        .where(*(same.c[column.name] == column for column in TARGET), same.c.state.in_(map(written, ACTIVE_STATES)))
        .exists()
    )
    statement = (
        update(jobs)
        .where(among(connection, jobs.c.id, sorted(newest.values())), jobs.c.state.in_(RETRIABLE), ~is_active)
        .values(
            state=State.PENDING,
            attempts=0,
            forced=true(),
            not_before=database_now(),
            sent_at=database_now(),
            waits_for=None,
            finished_at=None,
            outcome=None,
            detail=None,
        )
    )
    return connection.execute(statement).rowcount


def cancel(connection: Connection, chosen: Targets) -> int:
    """Cancel those of the jobs that have not ended; return how many. A running one loses its claim.

    chosen: the jobs.
    """
    statement = (
        update(jobs)
        .where(among(connection, jobs.c.id, list(chosen)), jobs.c.state.in_(ACTIVE_STATES))
        .values(state=State.CANCELLED, outcome="cancelled", detail=None, claim=None, finished_at=database_now())
    )
    return connection.execute(statement).rowcount


def is_held_by(token: str) -> ColumnElement[bool]:
    """Return the condition that a job is running under a claim; it uses the index of claims."""
    return and_(jobs.c.claim == token, is_in(State.RUNNING))


@lru_cache(8)
def _finish(dialect: Dialect) -> ReturningUpdate[int]:
    """Build the statement of `finish_all`, once: that costs more than it takes to run it for a few jobs."""
    rows = rows_of(dialect, "outcomes", verdicts.COLUMNS)
    return (
        update(jobs)
        # A claim's token is set only while its jobs are running. That state is not named, so that the database goes by id:
        # SQLite would read the whole batch for each of its jobs in the index of claims, and PostgreSQL all claims, with
        # those that ended since it was last vacuumed.
        .where(jobs.c.id == rows.c.id, jobs.c.claim == rows.c.claim)
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
    addresses = sorted({row["address"] for row in rows})
    reported = select(hosts.c.address).where(one_of(connection, hosts.c.address, addresses), hosts.c.discovered)
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
