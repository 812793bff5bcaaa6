"""Which jobs wait for a provider's quota, how many calls they are worth, and the reservation of a call for them.

The quotas themselves are in `quotas`.
"""

from collections.abc import Sequence

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, func, select, text

from cobalt_tasks.core.kinds import Urgency
from cobalt_tasks.db import clocks
from cobalt_tasks.db.engine import database_now
from cobalt_tasks.db.tables import WAITING, breakers, jobs, quotas
from cobalt_tasks.geolocation.limits import Terms
from cobalt_tasks.geolocation.quotas import Reservation, capacity, release, reserve
from cobalt_tasks.jobs.store import Claim, claim_waiting


class Waiting(Struct, frozen=True, kw_only=True):
    """The jobs that wait for a quota.

    Attributes:
        jobs: how many, counted up to a limit.
        oldest_seconds: how long the oldest has waited.
        is_interactive: a user waits for one of them.

    """

    jobs: int
    oldest_seconds: float
    is_interactive: bool = False


class Demand(Struct, frozen=True, kw_only=True):
    """Which jobs a call is for, and when a call that they do not fill is made.

    Attributes:
        kind: the kind of the jobs.
        waits_for: the value of their column `waits_for`.
        max_wait: seconds a job waits at most for others to fill the call; a user's job does not wait.

    """

    kind: str
    waits_for: str
    max_wait: float

    def calls(self, waiting: Waiting, batch: int) -> int:
        """Return how many calls are worth making for waiting jobs.

        Args:
            waiting: the jobs.
            batch: the largest number of addresses in one call.

        """
        full, rest = divmod(waiting.jobs, batch)
        return full + bool(rest and (waiting.is_interactive or waiting.oldest_seconds >= self.max_wait))


class ReservedCall(Struct, frozen=True):
    """A reserved call, and the jobs claimed for it."""

    reservation: Reservation
    claim: Claim


class NoJobLeftError(Exception):
    """A call was reserved, but other workers claimed every job meanwhile. Roll the transaction back."""


def waiting_jobs(connection: Connection, demand: Demand, limit: int) -> Waiting:
    """Count the jobs that wait for a quota and are due.

    Args:
        connection: any connection.
        demand: which jobs.
        limit: the number at which counting ends.

    """
    due = (
        select(jobs.c.level, jobs.c.not_before)
        .where(
            text(WAITING),
            jobs.c.kind == demand.kind,
            jobs.c.waits_for == demand.waits_for,
            jobs.c.not_before <= database_now(),
        )
        .order_by(jobs.c.level, jobs.c.not_before)
        .limit(limit)
        .subquery()
    )
    oldest = database_now() - func.min(due.c.not_before)
    statement = select(func.count(), oldest, func.min(due.c.level)).select_from(due)
    count, seconds, level = connection.execute(statement).one()
    return Waiting(jobs=count, oldest_seconds=seconds or 0.0, is_interactive=level == Urgency.INTERACTIVE)


def worthwhile_calls(connection: Connection, demand: Demand, terms: Sequence[Terms], limit: int) -> int:
    """Return how many calls are possible now and worth making.

    Args:
        connection: any connection.
        demand: which jobs they are for.
        terms: the providers, in the order they are asked.
        limit: the largest number that is returned.

    """
    waiting = waiting_jobs(connection, demand, limit * max(each.batch for each in terms))
    calls = 0
    for each in terms:
        allowed = capacity(connection, each.provider, each.limits)
        if allowed is not None and each.counts_addresses:
            allowed = -(-allowed // each.batch)
        worth = demand.calls(waiting, each.batch)
        possible = min(worth, limit - calls, worth if allowed is None else allowed)
        calls += possible
        waiting = msgspec.structs.replace(waiting, jobs=max(0, waiting.jobs - possible * each.batch))
    return calls


def calls_at_next_reset(
    connection: Connection, demand: Demand, terms: Sequence[Terms], horizon: float
) -> tuple[int, float]:
    """Return how many calls become possible at the next quota reset, and the seconds until then.

    Args:
        connection: any connection.
        demand: which jobs they are for.
        terms: the providers; only those with limits and no call left now are considered.
        horizon: seconds; a later reset does not count.

    Returns:
        (0, 0.0) if no quota resets within the horizon; 0 calls if no job is worth one.

    """
    now = clocks.estimate(connection)
    for each in terms:
        if not each.limits or capacity(connection, each.provider, each.limits) != 0:
            continue
        used_up = select(func.max(quotas.c.resets_at) - now).where(
            quotas.c.provider == each.provider,
            quotas.c.resets_at > now,
            quotas.c.used >= quotas.c.calls,
        )
        breaker = select(breakers.c.open_until - now).where(breakers.c.provider == each.provider)
        reset, pause = connection.execute(used_up).scalar(), connection.execute(breaker).scalar()
        delay = max(reset or 0.0, pause or 0.0)
        if 0 < delay <= horizon:
            possible = 1 if pause is not None else min(limit.calls for limit in each.limits)
            waiting = waiting_jobs(connection, demand, possible * each.batch)
            return min(possible, demand.calls(waiting, each.batch)), delay
    return 0, 0.0


def reserve_call(
    connection: Connection,
    demand: Demand,
    terms: Sequence[Terms],
    lease: float,
    trial_seconds: float,
) -> ReservedCall | None:
    """Reserve one call of the first provider that has one left, and claim the jobs for it.

    Args:
        connection: in a transaction that writes.
        demand: which jobs it is for.
        terms: the providers, in the order they are asked.
        lease: seconds the claim holds.
        trial_seconds: see `quotas.reserve`.

    Returns:
        None if no provider has a call left, or no call is worth making yet.

    Raises:
        NoJobLeftError: roll the transaction back, so that the reservation ends too.

    """
    waiting = waiting_jobs(connection, demand, max(each.batch for each in terms))
    for each in terms:
        if not demand.calls(waiting, each.batch):
            continue
        wanted = min(waiting.jobs, each.batch) if each.counts_addresses else 1
        reservation = reserve(connection, each.provider, each.limits, wanted, trial_seconds)
        if reservation is None:
            continue
        limit = reservation.calls if each.counts_addresses else each.batch
        claim = claim_waiting(connection, demand.kind, demand.waits_for, limit, lease)
        if not claim.jobs:
            raise NoJobLeftError
        if each.counts_addresses:
            release(connection, reservation, reservation.calls - len(claim.jobs))
        return ReservedCall(reservation, claim)
    return None
