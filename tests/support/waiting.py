"""How tests wait and measure, so that a busy machine changes nothing: for what happens, not for a time."""

import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE = 120.0
"""Seconds after which a test gives up; reached only where something is broken."""

_Value = TypeVar("_Value")


def wait_until(
    holds: Callable[[], _Value],
    what: str = "",
    *,
    seconds: float = PATIENCE,
    seen: Callable[[], object] | None = None,
    every: float = 0.05,
) -> _Value:
    """Return the first value of `holds` that is true.

    Args:
        holds: called again and again.
        what: what is waited for, in words.
        seconds: how long, at most.
        seen: returns what to show in the error besides the last value, such as a log.
        every: seconds between two calls.

    Raises:
        AssertionError: it did not come true; with the value that was seen last.

    """
    deadline = time.monotonic() + seconds
    while not (value := holds()):
        if time.monotonic() > deadline:
            shown = "" if seen is None else f"\n{str(seen())[-5000:]}"
            raise AssertionError(f"not within {seconds:g} s: {what or 'it holds'}; last seen: {value!r}{shown}")
        time.sleep(every)
    return value


def assert_linear(work: Callable[[int], object], size: int) -> None:
    """Check that four times the size costs about four times the processor time, not sixteen times.

    Args:
        work: does its work on an input of a size.
        size: of the larger input; large enough for a quadratic cost to show, which takes longer than a tenth of a second.

    """
    small, large = _cost(work, size // 4), _cost(work, size)
    if large > 0.1 and large > 8 * small:
        # Once more, as a cache or the garbage collector may have been in the way of one of them.
        small, large = (min(_cost(work, each) for _ in range(3)) for each in (size // 4, size))
        assert large < 8 * small, f"{size // 4}: {small:.3f} s, {size}: {large:.3f} s of processor time"


def _cost(work: Callable[[int], object], size: int) -> float:
    began = time.thread_time()
    work(size)
    return time.thread_time() - began
