"""The quotas of geolocation providers: rows that every worker reserves calls from before it claims any job for them.

A window starts with the first call that is reserved in it. The rate-limit headers of an answer correct the window its
call was counted in. After a failure, the breaker of the provider is open: no worker asks it for a while, then one call at
a time is made until one succeeds. All times go by the steady clock (`db.clocks`), so that a step of the database's clock
starts no window early. Which jobs a call is for is `demand`.
"""

from collections.abc import Callable, Sequence

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, and_, case, delete, literal, select, update

from cobalt_tasks.core.providers import Limit
from cobalt_tasks.db import clocks
from cobalt_tasks.db.bulk import earlier, insert_into, later
from cobalt_tasks.db.tables import breakers, quotas
from cobalt_tasks.geolocation.limits import NO_HEADERS, ROUNDING_SECONDS, RateLimitHeaders


class Reservation(Struct, frozen=True, kw_only=True):
    """Calls that only their holder may make.

    Attributes:
        provider: the provider's name.
        calls: how many; for a provider that counts addresses, one for each address.
        windows: the windows they were counted in: length in seconds → start.
        is_trial: the provider failed last time; no other call is made until this one ends.

    """

    provider: str
    calls: int
    windows: dict[float, float]
    is_trial: bool = False


class _Breaker(Struct, frozen=True, kw_only=True):
    failures: int = 0
    is_open: bool = False


def reserve(
    connection: Connection,
    provider: str,
    limits: Sequence[Limit],
    wanted: int,
    trial_seconds: float,
) -> Reservation | None:
    """Reserve up to `wanted` calls of a provider.

    Args:
        connection: in a transaction that writes.
        provider: the provider's name.
        limits: every one of them holds.
        wanted: the number of calls, at least 1; fewer are reserved if a window has fewer left.
        trial_seconds: if the provider failed last time, how long no other call is reserved, unless this one ends earlier.

    Returns:
        None if a window is used up, the breaker is open, or the clock is in doubt.

    """
    now = clocks.steady(connection)
    if now is None:
        return None
    breaker = _breaker(connection, provider, now, for_update=True)
    if breaker.is_open:
        return None
    windows: dict[float, float] = {}
    calls = wanted
    if limits:
        _renew_windows(connection, provider, limits, now)
        own = and_(quotas.c.provider == provider, quotas.c.window.in_([limit.window for limit in limits]))
        calls = min(wanted, *connection.execute(select(quotas.c.calls - quotas.c.used).where(own)).scalars())
        if calls <= 0:
            return None
        guarded = (
            update(quotas)
            .where(own, quotas.c.used + calls <= quotas.c.calls)
            .values(used=quotas.c.used + calls)
            .returning(quotas.c.window, quotas.c.started_at)
        )
        windows = {row.window: row.started_at for row in connection.execute(guarded)}
    if breaker.failures:
        connection.execute(
            update(breakers).where(breakers.c.provider == provider).values(open_until=now + trial_seconds),
        )
    return Reservation(provider=provider, calls=calls, windows=windows, is_trial=breaker.failures > 0)


def release(connection: Connection, reservation: Reservation, calls: int) -> None:
    """Return reserved calls that were not made.

    Args:
        connection: in a transaction that writes.
        reservation: what was reserved.
        calls: how many of its calls were not made.

    """
    for window, started_at in reservation.windows.items():
        connection.execute(
            update(quotas).where(_window(reservation.provider, window, started_at)).values(used=quotas.c.used - calls),
        )


def apply_headers(connection: Connection, reservation: Reservation, headers: RateLimitHeaders) -> None:
    """Correct the shortest window of a call by the rate-limit headers of its answer.

    Remaining calls are only lowered: other calls may be in flight. Without a reported end, assume that the provider
    started its window when it answered, so that the window ends a whole length from now.

    Args:
        connection: in a transaction that writes.
        reservation: the call.
        headers: what the answer reported; a window that was renewed since is left as it is.

    """
    if not reservation.windows:
        return
    now = clocks.estimate(connection)
    window = min(reservation.windows)
    values: dict[str, object] = {}
    if headers.remaining is not None:
        values["used"] = later(quotas.c.used, quotas.c.calls - headers.remaining)
    if headers.resets_in is None:
        values["resets_at"] = later(quotas.c.resets_at, literal(now + window))
    else:
        # No window ends later than a whole length from now.
        values["resets_at"] = now + min(headers.resets_in + ROUNDING_SECONDS, window)
    connection.execute(
        update(quotas).where(_window(reservation.provider, window, reservation.windows[window])).values(values),
    )


def record_success(connection: Connection, reservation: Reservation, headers: RateLimitHeaders = NO_HEADERS) -> None:
    """Close the breaker of a provider that answered, and correct its window.

    Args:
        connection: in a transaction that writes.
        reservation: the call.
        headers: see `apply_headers`.

    """
    apply_headers(connection, reservation, headers)
    connection.execute(delete(breakers).where(breakers.c.provider == reservation.provider))


def record_failure(
    connection: Connection,
    reservation: Reservation,
    reason: str,
    pause: Callable[[int], float],
    headers: RateLimitHeaders = NO_HEADERS,
) -> None:
    """Open the breaker of a provider that failed, and correct its window. Calls that fail together count as one failure.

    Args:
        connection: in a transaction that writes.
        reservation: the call.
        reason: one line for the operator.
        pause: returns the seconds until the next call for a number of failures in a row.
        headers: see `apply_headers`.

    """
    apply_headers(connection, reservation, headers)
    connection.execute(
        insert_into(connection, breakers)
        .values(provider=reservation.provider, failures=0, open_until=0.0)
        .on_conflict_do_nothing(),
    )
    now = clocks.estimate(connection)
    breaker = _breaker(connection, reservation.provider, now, for_update=True)
    if breaker.is_open and not reservation.is_trial:
        return
    failures = breaker.failures + 1
    connection.execute(
        update(breakers)
        .where(breakers.c.provider == reservation.provider)
        .values(failures=failures, open_until=now + pause(failures), reason=reason),
    )


def without_failure(connection: Connection, providers: Sequence[str]) -> list[str]:
    """Return those of `providers` (names) whose last call did not fail."""
    failing = set(connection.execute(select(breakers.c.provider).where(breakers.c.failures > 0)).scalars())
    return [name for name in providers if name not in failing]


def capacity(connection: Connection, provider: str, limits: Sequence[Limit]) -> int | None:
    """Return the number of calls that could be reserved now.

    Args:
        connection: any connection.
        provider: the provider's name.
        limits: every one of them holds.

    Returns:
        None without a limit; at most 1 if the provider failed last time.

    """
    now = clocks.estimate(connection)
    breaker = _breaker(connection, provider, now)
    if breaker.is_open:
        return 0
    running = select(quotas.c.window, quotas.c.used).where(quotas.c.provider == provider, quotas.c.resets_at > now)
    used: dict[float, int] = {row.window: row.used for row in connection.execute(running)}
    left = [max(0, limit.calls - used.get(limit.window, 0)) for limit in limits]
    if breaker.failures:
        return min([1, *left])
    return min(left) if left else None


def _breaker(connection: Connection, provider: str, now: float, *, for_update: bool = False) -> _Breaker:
    """Return the breaker of a provider. `for_update`: lock its row, so that trials are made one after the other."""
    statement = select(breakers.c.failures, breakers.c.open_until > now).where(breakers.c.provider == provider)
    row = connection.execute(statement.with_for_update() if for_update else statement).first()
    return _Breaker(failures=row[0], is_open=row[1]) if row else _Breaker()


def _renew_windows(connection: Connection, provider: str, limits: Sequence[Limit], now: float) -> None:
    """Start a new window where the last has ended. The rows stay locked: reservations are made one after the other."""
    for limit in sorted(limits, key=lambda limit: limit.window):
        insert = insert_into(connection, quotas).values(
            provider=provider,
            window=limit.window,
            calls=limit.calls,
            used=0,
            started_at=now,
            resets_at=now + limit.window,
        )
        ended = quotas.c.resets_at <= now
        statement = insert.on_conflict_do_update(
            index_elements=["provider", "window"],
            set_={
                "calls": insert.excluded.calls,
                "used": case((ended, 0), else_=quotas.c.used),
                "started_at": case((ended, insert.excluded.started_at), else_=quotas.c.started_at),
                # No window ends later than a whole length from now.
                "resets_at": case(
                    (ended, insert.excluded.resets_at),
                    else_=earlier(quotas.c.resets_at, insert.excluded.resets_at),
                ),
            },
        )
        connection.execute(statement)


def _window(provider: str, window: float, started_at: float) -> ColumnElement[bool]:
    return and_(
        quotas.c.provider == provider,
        quotas.c.window == window,
        quotas.c.started_at == literal(started_at),
    )
