"""Celery's beat by our scheduler: over a real Redis, by a monotonic clock that the test turns."""

from types import SimpleNamespace

import pytest

from cobalt_tasks.celery import app
from cobalt_tasks.core import settings as environment
from cobalt_tasks.core.timeouts import SWEEP_SECONDS
from cobalt_tasks.jobs import beat
from cobalt_tasks.jobs.broker import Broker

# Of our tasks' queues, where an earlier test has loaded the tasks: Celery's replacement knows no queue of one task.
pytestmark = pytest.mark.filterwarnings("ignore::celery.exceptions.CDeprecationWarning")

STARTED_AT = 1000.0


class Clock:
    """A monotonic clock that moves only when it is told to."""

    def __init__(self) -> None:
        """Start as a machine that has been on for a while."""
        self.seconds = STARTED_AT

    def monotonic(self) -> float:
        """Return its seconds."""
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that beat goes by."""
    made = Clock()
    monkeypatch.setattr(beat, "time", SimpleNamespace(monotonic=made.monotonic))
    return made


@pytest.fixture
def scheduler(redis_url: str, clock: Clock) -> beat.MonotonicScheduler:
    """A scheduler with the program's own schedule."""
    return beat.MonotonicScheduler(app=app)


def waiting(*, takes: bool = False) -> int:
    """Return how many sweeps wait in Redis; takes: as a worker would, who leaves none."""
    broker = Broker(environment.load())
    count = sum(broker.depth_by_level("control").values())
    if takes:
        broker._redis.flushall()
    return count


def test_what_is_due_is_sent_at_once_and_then_every_so_often(scheduler: beat.MonotonicScheduler, clock: Clock) -> None:
    """The first tick sends, those before the next time send nothing, and each returns the seconds until then.

    Break: the comparison or the returned difference in MonotonicScheduler.tick.
    """
    assert scheduler.tick() == SWEEP_SECONDS
    assert waiting(takes=True) == 1
    clock.seconds += SWEEP_SECONDS / 4
    assert scheduler.tick() == SWEEP_SECONDS * 3 / 4
    assert waiting() == 0
    clock.seconds += SWEEP_SECONDS * 3 / 4
    assert scheduler.tick() == SWEEP_SECONDS
    assert waiting() == 1


def test_a_tick_that_comes_late_asks_for_the_next_at_once(
    scheduler: beat.MonotonicScheduler, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sending that lasted longer than the time between two leaves no wait, and never a negative one: sleep() refuses it.

    Break: the 0 in MonotonicScheduler.tick.
    """

    def send_slowly(_: object) -> None:
        clock.seconds += 2 * SWEEP_SECONDS

    monkeypatch.setattr(scheduler, "_send", send_slowly)
    assert scheduler.tick() == 0.0
    assert scheduler.tick() == 0.0


def test_no_second_sweep_waits_behind_one(scheduler: beat.MonotonicScheduler, clock: Clock) -> None:
    """While no worker takes it, one message is enough; once it is taken, the next is sent. Break: `_WAITING`."""
    for _ in range(3):
        scheduler.tick()
        clock.seconds += SWEEP_SECONDS
    assert waiting(takes=True) == 1
    scheduler.tick()
    assert waiting() == 1
