"""Quotas and breakers against a model: after any calls, answers, failures and pauses, rows and model agree to the bit."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import Connection, delete, select

from cobalt_tasks.core.providers import Limit
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import breakers
from cobalt_tasks.db.tables import quotas as table
from cobalt_tasks.geolocation import quotas
from cobalt_tasks.geolocation.limits import RateLimitHeaders
from cobalt_tasks.geolocation.quotas import Reservation

TRIAL_SECONDS = 7.0
PROVIDERS = ("one", "two")
LIMITS = {"one": (Limit(window=10.0, calls=4), Limit(window=40.0, calls=9)), "two": ()}


@dataclass
class Window:
    """What the rows of one window should hold."""

    calls: int
    used: int
    started_at: float
    resets_at: float


@dataclass
class Model:
    """What the tables should hold, worked out beside them. `now` is the clock, moved by hand."""

    now: float = 1000.0
    windows: dict[tuple[str, float], Window] = field(default_factory=dict)
    breakers: dict[str, tuple[int, float]] = field(default_factory=dict)
    limits: dict[str, tuple[Limit, ...]] = field(default_factory=lambda: dict(LIMITS))

    def steady(self, _connection: Connection) -> float:
        """The clock for a transaction that writes."""
        return self.now

    estimate = steady

    def is_open(self, provider: str) -> bool:
        """Whether no call may be made."""
        return provider in self.breakers and self.breakers[provider][1] > self.now

    def reserve(self, provider: str, wanted: int) -> Reservation | None:
        """Reserve as `quotas.reserve` should."""
        if self.is_open(provider):
            return None
        own = {}
        for limit in self.limits[provider]:
            window = self.windows.get((provider, limit.window))
            if window is None or window.resets_at <= self.now:
                window = Window(limit.calls, 0, self.now, self.now + limit.window)
            window.calls = limit.calls
            window.resets_at = min(window.resets_at, self.now + limit.window)
            self.windows[provider, limit.window] = own[limit.window] = window
        calls = min([wanted, *(window.calls - window.used for window in own.values())])
        if calls <= 0:
            return None
        for window in own.values():
            window.used += calls
        failures = self.breakers.get(provider, (0, 0.0))[0]
        if failures:
            self.breakers[provider] = (failures, self.now + TRIAL_SECONDS)
        started = {length: window.started_at for length, window in own.items()}
        return Reservation(provider=provider, calls=calls, windows=started, is_trial=failures > 0)

    def of(self, held: Reservation, length: float) -> Window | None:
        """Return the window a call was counted in, if it is still that one."""
        window = self.windows[held.provider, length]
        return window if window.started_at == held.windows[length] else None

    def apply(self, held: Reservation, headers: RateLimitHeaders) -> None:
        """Correct the shortest window."""
        if not held.windows or (window := self.of(held, length := min(held.windows))) is None:
            return
        if headers.remaining is not None:
            window.used = max(window.used, window.calls - headers.remaining)
        if headers.resets_in is None:
            window.resets_at = max(window.resets_at, self.now + length)
        else:
            window.resets_at = self.now + min(headers.resets_in + 1.0, length)

    def fail(self, held: Reservation, pause: float) -> None:
        """Open the breaker; calls that fail together are one failure."""
        if self.is_open(held.provider) and not held.is_trial:
            return
        failures = self.breakers.get(held.provider, (0, 0.0))[0] + 1
        self.breakers[held.provider] = (failures, self.now + pause * failures)

    def capacity(self, provider: str) -> int | None:
        """Return what could be reserved."""
        if self.is_open(provider):
            return 0
        left = []
        for limit in self.limits[provider]:
            window = self.windows.get((provider, limit.window))
            is_running = window is not None and window.resets_at > self.now
            left.append(max(0, limit.calls - (window.used if is_running and window else 0)))
        if self.breakers.get(provider, (0, 0.0))[0]:
            left.append(1)
        return min(left) if left else None


def compare(connection: Connection, model: Model) -> None:
    """Hold every row against the model, and what can be asked about them."""
    rows = connection.execute(select(table)).all()
    found = {(row.provider, row.window): Window(row.calls, row.used, row.started_at, row.resets_at) for row in rows}
    assert found == model.windows
    broken = {row.provider: (row.failures, row.open_until) for row in connection.execute(select(breakers))}
    assert broken == model.breakers
    for provider in PROVIDERS:
        assert quotas.capacity(connection, provider, model.limits[provider]) == model.capacity(provider)
    assert quotas.without_failure(connection, PROVIDERS) == [
        name for name in PROVIDERS if not broken.get(name, (0,))[0]
    ]


HEADERS = st.builds(
    RateLimitHeaders,
    remaining=st.none() | st.integers(0, 6),
    resets_in=st.none() | st.sampled_from([0.0, 3.0, 8.0, 9.0, 9.5, 100.0]),
)
STEPS = st.lists(
    st.tuples(st.just("reserve"), st.sampled_from(PROVIDERS), st.integers(1, 6))
    | st.tuples(st.just("release"), st.integers(0, 5), st.integers(0, 6))
    | st.tuples(st.just("succeed"), st.integers(0, 5), HEADERS)
    | st.tuples(st.just("fail"), st.integers(0, 5), st.tuples(st.sampled_from([0.5, 2.0, 7.0]), HEADERS))
    | st.tuples(st.just("wait"), st.sampled_from([0.5, 1.0, 3.0, 7.0, 10.0, 40.0]), st.none())
    | st.tuples(st.just("limit"), st.integers(2, 6), st.none()),
    max_size=24,
)


def step(connection: Connection, model: Model, held: list[Reservation], one: tuple[str, Any, Any]) -> None:
    """Do one step with the tables and with the model."""
    name, first, second = one
    if name == "wait":
        model.now += first
    elif name == "limit":
        model.limits["one"] = (Limit(window=10.0, calls=first), Limit(window=40.0, calls=9))
    elif name == "reserve":
        got = quotas.reserve(connection, first, model.limits[first], second, TRIAL_SECONDS)
        assert got == model.reserve(first, second)
        held.extend([got] if got else [])
    elif held:
        call = held.pop(first % len(held))
        if name == "release":
            unused = min(second, call.calls)
            quotas.release(connection, call, unused)
            for length in call.windows:
                if window := model.of(call, length):
                    window.used -= unused
        elif name == "succeed":
            quotas.record_success(connection, call, second)
            model.apply(call, second)
            model.breakers.pop(call.provider, None)
        else:
            pause, headers = second
            quotas.record_failure(connection, call, "refused", lambda failures: pause * failures, headers)
            model.apply(call, headers)
            model.fail(call, pause)


def test_rows_hold_what_a_model_holds(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Invariant 5 of docs/architecture.md and the breaker, after every step of any history; no window ever has more calls used than it has.

    Break: any comparison, sign or case of quotas.py.
    """

    @given(STEPS)
    @hypothesis_settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def hold(steps: list[tuple[str, Any, Any]]) -> None:
        model = Model()
        monkeypatch.setattr(quotas, "clocks", model)
        held: list[Reservation] = []
        with sqlite_database.engine.connect() as connection:
            connection.execute(delete(table))
            connection.execute(delete(breakers))
            for each in steps:
                step(connection, model, held, each)
                compare(connection, model)
            connection.rollback()

    hold()


def test_nothing_is_reserved_while_the_clock_is_in_doubt(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a steady clock no window can be told from the next: no call, no row."""
    model = Model()
    monkeypatch.setattr(model, "steady", lambda _: None)
    monkeypatch.setattr(quotas, "clocks", model)
    with sqlite_database.writing() as connection:
        assert quotas.reserve(connection, "one", LIMITS["one"], 1, TRIAL_SECONDS) is None
        assert not connection.execute(select(table)).all()
