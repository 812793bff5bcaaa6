"""Values that are slow to get are got seldom, by one thread, and never keep anybody waiting without need."""

import threading
import time
from collections.abc import Iterator

import pytest

from cobalt_tasks.views.dashboard.cache import RefreshingCache
from tests.support.waiting import PATIENCE, wait_until


class Slow:
    """Something that counts how often it is asked, and can be made slow or broken."""

    def __init__(self) -> None:
        """Be quick and whole."""
        self.asked = 0
        self.gate = threading.Event()
        self.gate.set()
        self.broken = False

    def __call__(self) -> int:
        """Return how often this was asked, once the gate is open."""
        assert self.gate.wait(PATIENCE)
        self.asked += 1
        if self.broken:
            raise OSError("broken")
        return self.asked


@pytest.fixture
def slow() -> Slow:
    """A slow thing."""
    return Slow()


@pytest.fixture
def kept(slow: Slow) -> Iterator[RefreshingCache[int]]:
    """It, kept for 50 ms, and given for a minute more while it is renewed."""
    value = RefreshingCache(slow, seconds=0.05, stale_for=60)
    yield value
    slow.gate.set()
    value.close()


def test_asked_once_by_many(slow: Slow, kept: RefreshingCache[int]) -> None:
    """Twenty threads at once cause one asking, and all get its answer."""
    slow.gate.clear()
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(kept.value())) for _ in range(20)]
    for thread in threads:
        thread.start()
    slow.gate.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert found == [1] * 20


def test_old_value_is_given_while_the_new_one_is_got(slow: Slow, kept: RefreshingCache[int]) -> None:
    """Past its time the old value is given at once, and the new one follows."""
    assert kept.value() == 1
    slow.gate.clear()
    time.sleep(0.06)
    assert kept.value() == 1
    slow.gate.set()
    wait_until(lambda: kept.value() == 2)
    assert slow.asked == 2


def test_nothing_stale_without_leave(slow: Slow) -> None:
    """Without leave to be stale, a value past its time is waited for."""
    fresh = RefreshingCache(slow, seconds=0.01)
    assert fresh.value() == 1
    time.sleep(0.02)
    assert fresh.value() == 2
    fresh.close()


def test_failure_is_raised_and_forgotten(slow: Slow, kept: RefreshingCache[int]) -> None:
    """A failure reaches who waits for a value; the next asking tries again."""
    slow.broken = True
    with pytest.raises(OSError, match="broken"):
        kept.value()
    slow.broken = False
    assert kept.value() == 2


def test_slow_getting_takes_a_twentieth_of_the_time() -> None:
    """With a share of a twentieth, what takes 20 ms is kept for 400, however short it was to be kept."""
    asked: list[float] = []

    def get() -> float:
        asked.append(time.monotonic())
        time.sleep(0.02)
        return asked[-1]

    kept = RefreshingCache(get, seconds=0.0, share=0.05)
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        kept.value()
        time.sleep(0.005)
    kept.close()
    assert len(asked) == 1
