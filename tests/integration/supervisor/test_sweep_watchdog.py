"""The supervisor notices that nothing is done any more, and blames nobody for an outage."""

import pytest

from cobalt_tasks.core.settings import load
from cobalt_tasks.db import locks
from cobalt_tasks.db.engine import Database
from cobalt_tasks.jobs.broker import Broker
from cobalt_tasks.supervisor.sweep_watchdog import SweepWatchdog

MINUTE = 60


class Clock:
    """Seconds that the test lets pass."""

    now = 0.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock at 0."""
    return Clock()


def lost_after(pulse: SweepWatchdog, clock: Clock, seconds: int) -> int | None:
    """Let seconds pass one by one; return after how many the pulse was lost, None when it was not."""
    for second in range(1, seconds + 1):
        clock.now += 1
        if pulse.has_stalled():
            return second
    return None


def test_no_sweep_for_a_minute_is_a_lost_pulse_once(sqlite_database: Database, redis_url: str, clock: Clock) -> None:
    """Found within a minute; afterwards those who were started again have as long."""
    pulse = SweepWatchdog(sqlite_database, Broker(load()), clock)
    first = lost_after(pulse, clock, MINUTE)
    assert first is not None
    assert lost_after(pulse, clock, first - 5) is None
    assert lost_after(pulse, clock, MINUTE) is not None


def test_sweeps_keep_it(sqlite_database: Database, redis_url: str, clock: Clock) -> None:
    """As long as sweeps are done, all is well."""
    pulse = SweepWatchdog(sqlite_database, Broker(load()), clock)
    sqlite_database.write(locks.take, "sweep", 1.0)
    assert lost_after(pulse, clock, 3 * MINUTE) is None


def test_an_outage_of_redis_is_nobodys_fault(
    sqlite_database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without Redis there can be no sweep: nothing is started again. Break: the except in SweepWatchdog._is_excused."""
    monkeypatch.setenv("COBALT_BROKER_URL", "redis://127.0.0.1:1/0")
    pulse = SweepWatchdog(sqlite_database, Broker(load()), clock)
    assert lost_after(pulse, clock, 3 * MINUTE) is None


def test_a_pause_of_the_supervisor_itself_is_forgiven(sqlite_database: Database, redis_url: str, clock: Clock) -> None:
    """A laptop that slept wakes up with everybody late."""
    pulse = SweepWatchdog(sqlite_database, Broker(load()), clock)
    clock.now += 8 * 3600
    assert not pulse.has_stalled()
    assert lost_after(pulse, clock, 35) is None
