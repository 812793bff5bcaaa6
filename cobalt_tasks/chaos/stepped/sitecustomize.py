"""Read by Python at its start where libfaketime is loaded: that mistakes the deadline of a sleep for a time of day."""

import select
import time


def _sleep(seconds: float) -> None:
    select.select([], [], [], max(0.0, seconds))


time.sleep = _sleep  # type: ignore[assignment]
