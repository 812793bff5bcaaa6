"""What a worker claims next: the jobs of its message, then due ones of the same kind for as long as it has free sockets.

The smallest level goes first. Jobs that send packets to their targets are claimed as far as `host_limits` allows.
"""

import uuid
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from sqlalchemy import Connection, Select, not_, select

from cobalt_tasks.core.catalog import BY_NAME
from cobalt_tasks.core.records import FINAL_STATES, Job, State
from cobalt_tasks.db.bulk import among, unlocked
from cobalt_tasks.db.engine import statement_now
from cobalt_tasks.db.tables import is_in, jobs
from cobalt_tasks.jobs import host_limits, store
from cobalt_tasks.jobs.backlog import is_sendable
from cobalt_tasks.jobs.host_limits import DueJob, Limits
from cobalt_tasks.jobs.store import Claim

if TYPE_CHECKING:
    from collections import Counter

_MORE: Final = 4
"""So many times as many jobs are looked at as there is room for: some wait for their host."""

_ROUNDS: Final = 8
"""Looks at one level in one claim; with more jobs of one host at its head, the next claim goes on."""


class ClaimTerms(Struct, frozen=True, kw_only=True):
    """On which terms a worker claims.

    Attributes:
        kind: of its jobs, a name of the catalog.
        lease: seconds a claim holds without being renewed.
        limits: for kinds that send packets to their targets.

    """

    kind: str
    lease: float
    limits: Limits


def claim_named(connection: Connection, terms: ClaimTerms, ids: Sequence[int], room: int) -> Claim:
    """Claim jobs that a message named. Those there is no room for are due again.

    Args:
        connection: in a transaction that writes.
        terms: the kind and the limits.
        ids: of the jobs; they need not exist.
        room: the most to claim.

    """
    named = select(jobs.c.id, jobs.c.address).where(
        among(connection, jobs.c.id, ids),
        jobs.c.kind == terms.kind,
        # As in `store.claim`.
        jobs.c.state.not_in([State.RUNNING, *FINAL_STATES]),
        jobs.c.waits_for.is_(None),
    )
    run = _Run(connection, terms, room)
    if left := run.take([DueJob(row.id, row.address) for row in connection.execute(unlocked(named, jobs))]):
        store.unmark_sent(connection, sorted(left))
    return run.claim


def claim_next(connection: Connection, terms: ClaimTerms, room: int, levels: Sequence[int]) -> Claim:
    """Claim the most urgent jobs that are due, and may run beside others.

    Args:
        connection: in a transaction that writes.
        terms: the kind and the limits.
        room: the most to claim.
        levels: of the kind, the most urgent first; the others are left.

    """
    run = _Run(connection, terms, room)
    for level in levels:
        # Those sent are claimed last: their messages would come for nothing.
        for query in (_pending(terms.kind, level), _sent(terms.kind, level)):
            for _ in range(_ROUNDS):
                if not run.look(query):
                    break
            if not run.room:
                return run.claim
    return run.claim


class _Run:
    """One claim in the making."""

    def __init__(self, connection: Connection, terms: ClaimTerms, room: int) -> None:
        self.claim = Claim(uuid.uuid4().hex, [])
        self.room = room
        self._connection = connection
        self._terms = terms
        self._counts: Counter[str] | None = None

    def look(self, query: Select[tuple[int, str]]) -> bool:
        """Claim the first jobs that a query finds; return whether to look again, since there may be more."""
        if not self.room:
            return False
        looked_at = self.room * (_MORE if BY_NAME[self._terms.kind].is_active else 1)
        rows = self._connection.execute(unlocked(query.limit(looked_at), jobs)).all()
        self.take([DueJob(row.id, row.address) for row in rows])
        return len(rows) == looked_at and self.room > 0

    def take(self, candidates: Sequence[DueJob]) -> list[int]:
        """Claim what may run of some jobs, park what waits for its host, and return the ids there is no room for."""
        if BY_NAME[self._terms.kind].is_active and candidates:
            if self._counts is None:
                self._counts = host_limits.count(self._connection)
            choice = host_limits.choose(candidates, self.room, self._counts, self._terms.limits)
            host_limits.park(self._connection, choice.parked)
            chosen, left = choice.chosen, choice.left
        else:
            ids = [each.id for each in candidates]
            chosen, left = ids[: self.room], ids[self.room :]
        if chosen:
            terms = self._terms
            claimed = store.claim(self._connection, terms.kind, sorted(chosen), terms.lease, self.claim.token).jobs
            self.claim.jobs.extend(claimed)
            # What was fresh meanwhile has ended; its place is free.
            self.room -= len(claimed)
        return left


@cache
def _pending(kind: str, level: int) -> Select[tuple[int, str]]:
    query = select(jobs.c.id, jobs.c.address).where(is_sendable(kind, level), *_BESIDE_OTHERS)
    return query.order_by(jobs.c.not_before)


@cache
def _sent(kind: str, level: int) -> Select[tuple[int, str]]:
    query = select(jobs.c.id, jobs.c.address).where(
        jobs.c.kind == kind,
        jobs.c.level == level,
        is_in(State.SENT),
        jobs.c.waits_for.is_(None),
        jobs.c.not_before <= statement_now(),
        *_BESIDE_OTHERS,
    )
    return query.order_by(jobs.c.sent_at)


_BESIDE_OTHERS: Final = (not_(jobs.c.isolated), not_(store.IS_SUSPECT))


def has_lone(claimed: Sequence[Job]) -> bool:
    """Return whether one of the jobs must not run beside jobs of other messages."""
    return any(job.isolated or job.suspect for job in claimed)
