"""What geolocation providers still allow, shared by every worker: rows that are reserved before any job is claimed.

A window begins with the first call that is reserved in it. The provider's own word (how much is left, for how long)
corrects the window its call was counted in. The breaker of a provider that failed keeps every worker away for a while;
then one call at a time is let through, until one succeeds. All of that goes by the steady clock: a step of the
database's clock grants no window early.
"""

from collections.abc import Callable, Sequence

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, and_, case, delete, func, literal, select, text, update

from cobalt_tasks.core.kinds import Urgency
from cobalt_tasks.core.providers import Limit
from cobalt_tasks.db import clocks
from cobalt_tasks.db.bulk import earlier, insert_into, later
from cobalt_tasks.db.engine import database_now
from cobalt_tasks.db.tables import WAITING, breakers, budgets, jobs
from cobalt_tasks.geolocation.limits import NO_HEADERS, ROUNDING_SECONDS, RateLimitHeaders, Terms
from cobalt_tasks.jobs.store import Claim, claim_waiting


class Reservation(Struct, frozen=True, kw_only=True):
    """Calls that are ours to make. `windows` names those they were counted in, by length and start.

    `is_trial`: the provider failed last time, and everybody else waits for what comes of this call.
    """

    provider: str
    calls: int
    windows: dict[float, float]
    is_trial: bool = False


class Waiting(Struct, frozen=True, kw_only=True):
    """How many jobs wait for something shared (counted up to a limit), for how many seconds the longest has, and whether
    somebody is waiting for one of them.
    """

    jobs: int
    oldest_seconds: float
    is_interactive: bool = False


class Demand(Struct, frozen=True, kw_only=True):
    """Which jobs a call is for, and how many seconds they wait for it to be filled; then it is made part empty,
    and at once when a person waits.
    """

    kind: str
    waits_for: str
    patience: float

    def calls(self, waiting: Waiting, batch: int) -> int:
        """Return how many calls of a size the waiting jobs are worth."""
        full, rest = divmod(waiting.jobs, batch)
        return full + bool(rest and (waiting.is_interactive or waiting.oldest_seconds >= self.patience))


class Taken(Struct, frozen=True):
    """A reserved call, and the jobs claimed for it."""

    reservation: Reservation
    claim: Claim


class NobodyWaitsError(Exception):
    """A call was reserved, but others have claimed every job meanwhile. Leave the transaction by this."""


class _Breaker(Struct, frozen=True, kw_only=True):
    failures: int = 0
    is_open: bool = False


def waiting(connection: Connection, demand: Demand, limit: int) -> Waiting:
    """Count the jobs that wait for something shared and are due."""
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
    count, seconds, level = connection.execute(
        select(func.count(), oldest, func.min(due.c.level)).select_from(due)
    ).one()
    return Waiting(jobs=count, oldest_seconds=seconds or 0.0, is_interactive=level == Urgency.INTERACTIVE)


def worthwhile(connection: Connection, demand: Demand, terms: Sequence[Terms], most: int) -> int:
    """Return how many calls could be made now, and would be filled or have waited enough; at most `most`."""
    seen = waiting(connection, demand, most * max(each.batch for each in terms))
    calls = 0
    for each in terms:
        allowed = capacity(connection, each.provider, each.limits)
        if allowed is not None and each.counts_addresses:
            allowed = -(-allowed // each.batch)
        filled = demand.calls(seen, each.batch)
        possible = min(filled, most - calls, filled if allowed is None else allowed)
        calls += possible
        seen = msgspec.structs.replace(seen, jobs=max(0, seen.jobs - possible * each.batch))
    return calls


def opening(connection: Connection, demand: Demand, terms: Sequence[Terms], within: float) -> tuple[int, float]:
    """Return how many calls the next window that opens `within` seconds will be worth, and in how many seconds that is.

    No calls when none opens, or nobody waits. A provider that has calls left now opens no window.
    """
    now = clocks.estimate(connection)
    for each in terms:
        if not each.limits or capacity(connection, each.provider, each.limits) != 0:
            continue
        now_closed = select(func.max(budgets.c.resets_at) - now).where(
            budgets.c.provider == each.provider,
            budgets.c.resets_at > now,
            budgets.c.used >= budgets.c.calls,
        )
        breaker = select(breakers.c.open_until - now).where(breakers.c.provider == each.provider)
        windows, paused = connection.execute(now_closed).scalar(), connection.execute(breaker).scalar()
        after = max(windows or 0.0, paused or 0.0)
        if 0 < after <= within:
            most = 1 if paused is not None else min(limit.calls for limit in each.limits)
            seen = waiting(connection, demand, most * each.batch)
            return min(most, demand.calls(seen, each.batch)), after
    return 0, 0.0


def take(
    connection: Connection,
    demand: Demand,
    terms: Sequence[Terms],
    lease: float,
    trial_seconds: float,
) -> Taken | None:
    """Reserve one call from the first provider that has one left, and claim the jobs for it.

    Return None when no provider has, or nobody has waited enough.

    Raises:
        NobodyWaitsError: let it end the transaction, so that the reservation ends too.

    """
    seen = waiting(connection, demand, max(each.batch for each in terms))
    for each in terms:
        if not demand.calls(seen, each.batch):
            continue
        wanted = min(seen.jobs, each.batch) if each.counts_addresses else 1
        reservation = reserve(connection, each.provider, each.limits, wanted, trial_seconds)
        if reservation is None:
            continue
        limit = reservation.calls if each.counts_addresses else each.batch
        claim = claim_waiting(connection, demand.kind, demand.waits_for, limit, lease)
        if not claim.jobs:
            raise NobodyWaitsError
        if each.counts_addresses:
            give_back(connection, reservation, reservation.calls - len(claim.jobs))
        return Taken(reservation, claim)
    return None


def reserve(
    connection: Connection,
    provider: str,
    limits: Sequence[Limit],
    wanted: int,
    trial_seconds: float,
) -> Reservation | None:
    """Reserve up to `wanted` calls, or none when a window is used up or the breaker is open.

    When the provider failed last time, nobody else is let through for `trial_seconds`, or until this call's end.
    """
    now = clocks.steady(connection)
    if now is None:
        return None
    breaker = _breaker(connection, provider, now)
    if breaker.is_open:
        return None
    windows: dict[float, float] = {}
    calls = wanted
    if limits:
        _renew_windows(connection, provider, limits, now)
        mine = and_(budgets.c.provider == provider, budgets.c.window.in_([limit.window for limit in limits]))
        calls = min(wanted, *connection.execute(select(budgets.c.calls - budgets.c.used).where(mine)).scalars())
        if calls <= 0:
            return None
        guarded = (
            update(budgets)
            .where(mine, budgets.c.used + calls <= budgets.c.calls)
            .values(used=budgets.c.used + calls)
            .returning(budgets.c.window, budgets.c.started_at)
        )
        windows = {row.window: row.started_at for row in connection.execute(guarded)}
    if breaker.failures:
        connection.execute(
            update(breakers).where(breakers.c.provider == provider).values(open_until=now + trial_seconds),
        )
    return Reservation(provider=provider, calls=calls, windows=windows, is_trial=breaker.failures > 0)


def give_back(connection: Connection, reservation: Reservation, calls: int) -> None:
    """Return calls that were reserved and not made."""
    for window, started_at in reservation.windows.items():
        connection.execute(
            update(budgets)
            .where(_window(reservation.provider, window, started_at))
            .values(used=budgets.c.used - calls),
        )


def correct(connection: Connection, reservation: Reservation, headers: RateLimitHeaders) -> None:
    """Take the provider's headers for the window a call was counted in.

    Never more than we believe, since other calls may still be on their way. Without a headers, the call may have been
    counted as late as now, so the window lasts as long from now.
    """
    if not reservation.windows:
        return
    now = clocks.estimate(connection)
    window = min(reservation.windows)
    values: dict[str, object] = {}
    if headers.remaining is not None:
        values["used"] = later(budgets.c.used, budgets.c.calls - headers.remaining)
    if headers.resets_in is None:
        values["resets_at"] = later(budgets.c.resets_at, literal(now + window))
    else:
        # No window ends later than a whole window from now, whatever is said.
        values["resets_at"] = now + min(headers.resets_in + ROUNDING_SECONDS, window)
    connection.execute(
        update(budgets).where(_window(reservation.provider, window, reservation.windows[window])).values(values),
    )


def succeeded(connection: Connection, reservation: Reservation, headers: RateLimitHeaders = NO_HEADERS) -> None:
    """Close the breaker, and take the provider's headers for its window (see `correct`)."""
    correct(connection, reservation, headers)
    connection.execute(delete(breakers).where(breakers.c.provider == reservation.provider))


def failed(
    connection: Connection,
    reservation: Reservation,
    reason: str,
    pause: Callable[[int], float],
    headers: RateLimitHeaders = NO_HEADERS,
) -> None:
    """Open the breaker, and take the provider's headers for its window (see `correct`).

    `pause` gives the seconds for a number of failures in a row. Calls that were on their way together are one failure.
    """
    correct(connection, reservation, headers)
    connection.execute(
        insert_into(connection, breakers)
        .values(provider=reservation.provider, failures=0, open_until=0.0)
        .on_conflict_do_nothing(),
    )
    now = clocks.estimate(connection)
    breaker = _breaker(connection, reservation.provider, now)
    if breaker.is_open and not reservation.is_trial:
        return
    failures = breaker.failures + 1
    connection.execute(
        update(breakers)
        .where(breakers.c.provider == reservation.provider)
        .values(failures=failures, open_until=now + pause(failures), reason=reason),
    )


def healthy(connection: Connection, providers: Sequence[str]) -> list[str]:
    """Return those of some providers that did not fail last time."""
    broken = set(connection.execute(select(breakers.c.provider).where(breakers.c.failures > 0)).scalars())
    return [name for name in providers if name not in broken]


def capacity(connection: Connection, provider: str, limits: Sequence[Limit]) -> int | None:
    """Return how many calls a provider allows now: 1 to try whether it is back, None for any number."""
    now = clocks.estimate(connection)
    row = connection.execute(
        select(breakers.c.failures, breakers.c.open_until > now).where(breakers.c.provider == provider),
    ).first()
    breaker = _Breaker(failures=row[0], is_open=row[1]) if row else _Breaker()
    if breaker.is_open:
        return 0
    running = select(budgets.c.window, budgets.c.used).where(
        budgets.c.provider == provider,
        budgets.c.resets_at > now,
    )
    used: dict[float, int] = {row.window: row.used for row in connection.execute(running)}
    left = [max(0, limit.calls - used.get(limit.window, 0)) for limit in limits]
    if breaker.failures:
        return min([1, *left])
    return min(left) if left else None


def _breaker(connection: Connection, provider: str, now: float) -> _Breaker:
    # The lock makes trials come one by one.
    row = connection.execute(
        select(breakers.c.failures, breakers.c.open_until > now)
        .where(breakers.c.provider == provider)
        .with_for_update(),
    ).first()
    return _Breaker(failures=row[0], is_open=row[1]) if row else _Breaker()


def _renew_windows(connection: Connection, provider: str, limits: Sequence[Limit], now: float) -> None:
    """Begin a new window where the last has ended. The rows stay locked, so that reservations come one by one."""
    for limit in sorted(limits, key=lambda limit: limit.window):
        insert = insert_into(connection, budgets).values(
            provider=provider,
            window=limit.window,
            calls=limit.calls,
            used=0,
            started_at=now,
            resets_at=now + limit.window,
        )
        ended = budgets.c.resets_at <= now
        statement = insert.on_conflict_do_update(
            index_elements=["provider", "window"],
            set_={
                "calls": insert.excluded.calls,
                "used": case((ended, 0), else_=budgets.c.used),
                "started_at": case((ended, insert.excluded.started_at), else_=budgets.c.started_at),
                # No window ends later than a whole one from now.
                "resets_at": case(
                    (ended, insert.excluded.resets_at),
                    else_=earlier(budgets.c.resets_at, insert.excluded.resets_at),
                ),
            },
        )
        connection.execute(statement)


def _window(provider: str, window: float, started_at: float) -> ColumnElement[bool]:
    return and_(
        budgets.c.provider == provider,
        budgets.c.window == window,
        budgets.c.started_at == literal(started_at),
    )
