"""A clock that is never stepped: this machine's monotonic clock, and a name that differs from machine to machine."""

import time
import uuid
from functools import cache
from pathlib import Path

from msgspec import Struct


class Moment(Struct, frozen=True):
    """A reading of a monotonic clock.

    Attributes:
        clock: which clock it is; seconds of two clocks cannot be compared.
        seconds: since an unknown moment, never stepped.

    """

    clock: str
    seconds: float


def now() -> Moment:
    """Return this machine's monotonic clock, the same for all its processes until it is started again."""
    return Moment(_name(), time.monotonic())


def since_boot() -> Moment:
    """Return the seconds since this machine was started, those it slept included; `now` leaves them out."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return Moment(_name(), time.clock_gettime(time.CLOCK_BOOTTIME))
    return now()


@cache
def _name() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = Path("/proc/self/ns/time").stat().st_ino
    except OSError:
        # Not Linux: what this process and its children see is all that can be compared.
        return uuid.uuid4().hex
    return f"{boot}/{namespace}"
