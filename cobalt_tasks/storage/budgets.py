"""What geolocation providers still allow, shared by every worker: rows that are reserved before any job is claimed.

A window begins with the first call that is reserved in it. The provider's own word (how much is left, for how long)
corrects the window its call was counted in. The breaker of a provider that failed keeps every worker away for a while;
then one call at a time is let through, until one succeeds.
"""

from collections.abc import Callable, Sequence

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, and_, case, delete, func, literal, select, text, update

from cobalt_tasks.storage.bulk import insert_into, later
from cobalt_tasks.storage.engine import database_now
from cobalt_tasks.storage.models import WAITING, breakers, budgets, jobs


class Limit(Struct, frozen=True, kw_only=True):
    """At most `calls` in any `window`, in seconds. A provider that counts addresses counts them as calls."""

    window: float
    calls: int


class Reservation(Struct, frozen=True, kw_only=True):
    """Calls that are ours to make. `windows` names those they were counted in, by length and start.

    `is_trial`: the provider failed last time, and everybody else waits for what comes of this call.
    """

    provider: str
    calls: int
    windows: dict[float, float]
    is_trial: bool = False


class Waiting(Struct, frozen=True, kw_only=True):
    """How many jobs wait for something shared (counted up to a limit), and for how many seconds the longest has."""

    jobs: int
    oldest_seconds: float


class _Breaker(Struct, frozen=True, kw_only=True):
    failures: int = 0
    is_open: bool = False


def waiting(connection: Connection, kind: str, waits_for: str, limit: int) -> Waiting:
    """Count the jobs that wait for something shared and are due."""
    due = (
        select(jobs.c.not_before)
        .where(text(WAITING), jobs.c.kind == kind, jobs.c.waits_for == waits_for, jobs.c.not_before <= database_now())
        .limit(limit)
        .subquery()
    )
    oldest = database_now() - func.min(due.c.not_before)
    count, seconds = connection.execute(select(func.count(), oldest).select_from(due)).one()
    return Waiting(jobs=count, oldest_seconds=seconds or 0.0)


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
    breaker = _breaker(connection, provider)
    if breaker.is_open:
        return None
    windows: dict[float, float] = {}
    calls = wanted
    if limits:
        _renew_windows(connection, provider, limits)
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
            update(breakers).where(breakers.c.provider == provider).values(open_until=database_now() + trial_seconds),
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


def correct(
    connection: Connection,
    reservation: Reservation,
    remaining: int | None = None,
    resets_in: float | None = None,
) -> None:
    """Take the provider's word for its shortest window: how many calls are left in it, and when it ends.

    Never more than we believe, since other calls may still be on their way. Without a word, the call may have been
    counted as late as now, so the window lasts as long from now.
    """
    if not reservation.windows:
        return
    window = min(reservation.windows)
    values: dict[str, object] = {}
    if remaining is not None:
        values["used"] = later(budgets.c.used, budgets.c.calls - remaining)
    if resets_in is None:
        values["resets_at"] = later(budgets.c.resets_at, database_now() + window)
    else:
        told = database_now() + resets_in
        # Whole seconds are told, so that the same end seems to move by less than one: then the later is taken.
        same = func.abs(told - budgets.c.resets_at) < 1.0
        values["resets_at"] = case((and_(same, budgets.c.resets_at > told), budgets.c.resets_at), else_=told)
    connection.execute(
        update(budgets).where(_window(reservation.provider, window, reservation.windows[window])).values(values),
    )


def succeeded(connection: Connection, reservation: Reservation) -> None:
    """Close the breaker."""
    connection.execute(delete(breakers).where(breakers.c.provider == reservation.provider))


def failed(connection: Connection, reservation: Reservation, reason: str, pause: Callable[[int], float]) -> int:
    """Open the breaker; return how many failures in a row that makes.

    `pause` gives the seconds for a number of failures. Calls that were on their way together fail together, and are one.
    """
    connection.execute(
        insert_into(connection, breakers)
        .values(provider=reservation.provider, failures=0, open_until=0.0)
        .on_conflict_do_nothing(),
    )
    breaker = _breaker(connection, reservation.provider)
    if breaker.is_open and not reservation.is_trial:
        return breaker.failures
    failures = breaker.failures + 1
    connection.execute(
        update(breakers)
        .where(breakers.c.provider == reservation.provider)
        .values(failures=failures, open_until=database_now() + pause(failures), reason=reason),
    )
    return failures


def healthy(connection: Connection, providers: Sequence[str]) -> list[str]:
    """Return those of some providers that did not fail last time."""
    broken = set(connection.execute(select(breakers.c.provider).where(breakers.c.failures > 0)).scalars())
    return [name for name in providers if name not in broken]


def capacity(connection: Connection, provider: str, limits: Sequence[Limit]) -> int | None:
    """Return how many calls a provider allows now: 1 to try whether it is back, None for any number."""
    row = connection.execute(
        select(breakers.c.failures, breakers.c.open_until > database_now()).where(breakers.c.provider == provider),
    ).first()
    breaker = _Breaker(failures=row[0], is_open=row[1]) if row else _Breaker()
    if breaker.is_open:
        return 0
    running = select(budgets.c.window, budgets.c.used).where(
        budgets.c.provider == provider,
        budgets.c.resets_at > database_now(),
    )
    used: dict[float, int] = {row.window: row.used for row in connection.execute(running)}
    left = [max(0, limit.calls - used.get(limit.window, 0)) for limit in limits]
    if breaker.failures:
        return min([1, *left])
    return min(left) if left else None


def _breaker(connection: Connection, provider: str) -> _Breaker:
    # The lock makes trials come one by one.
    row = connection.execute(
        select(breakers.c.failures, breakers.c.open_until > database_now())
        .where(breakers.c.provider == provider)
        .with_for_update(),
    ).first()
    return _Breaker(failures=row[0], is_open=row[1]) if row else _Breaker()


def _renew_windows(connection: Connection, provider: str, limits: Sequence[Limit]) -> None:
    """Begin a new window where the last has ended. The rows stay locked, so that reservations come one by one."""
    for limit in sorted(limits, key=lambda limit: limit.window):
        insert = insert_into(connection, budgets).values(
            provider=provider,
            window=limit.window,
            calls=limit.calls,
            used=0,
            started_at=database_now(),
            resets_at=database_now() + limit.window,
        )
        ended = budgets.c.resets_at <= database_now()
        statement = insert.on_conflict_do_update(
            index_elements=["provider", "window"],
            set_={
                "calls": insert.excluded.calls,
                "used": case((ended, 0), else_=budgets.c.used),
                "started_at": case((ended, insert.excluded.started_at), else_=budgets.c.started_at),
                "resets_at": case((ended, insert.excluded.resets_at), else_=budgets.c.resets_at),
            },
        )
        connection.execute(statement)


def _window(provider: str, window: float, started_at: float) -> ColumnElement[bool]:
    return and_(
        budgets.c.provider == provider,
        budgets.c.window == window,
        budgets.c.started_at == literal(started_at),
    )
