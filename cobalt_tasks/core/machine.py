"""What this machine and its processes have to work with: disk space, open files, a clock that is not stepped, a parent."""

import ctypes
import gc
import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from msgspec import Struct

_STEP_SECONDS: Final = 2.0
_REMEMBERED_SECONDS: Final = 600.0
_OPENED, _PLENTY = 64, 1 << 20
"""Files a process has open where that cannot be found out, and those it may have without a limit."""

_YOUNG_OBJECTS: Final = 10_000
"""New containers between two collections: a batch of rows has thousands, and none of them is garbage in a cycle."""

_PR_SET_PDEATHSIG: Final = 1
"""From <linux/prctl.h>."""


class Disk(Struct, frozen=True, kw_only=True):
    """The space of the file system that a folder lies on, in bytes."""

    folder: str
    free: int
    total: int


def collect_less_garbage() -> None:
    """Collect garbage less often than Python does by default: that took a tenth of the time of imports and ingest."""
    gc.set_threshold(_YOUNG_OBJECTS, 20, 20)


def disk(folder: Path) -> Disk | None:
    """Return the space where a folder lies, or would; None when that cannot be found out."""
    for existing in (folder, *folder.parents):
        try:
            found = shutil.disk_usage(existing)
        except OSError:
            continue
        return Disk(folder=str(folder), free=found.free, total=found.total)
    return None


def descriptors() -> tuple[int, int] | None:
    """Return (open, limit): the files of whichever has most of this process and its children; None but on Linux."""
    try:
        folders = [Path(f"/proc/{process}/fd") for process in ("self", *_children())]
        counts = [sum(1 for _ in folder.iterdir()) for folder in folders if folder.exists()]
    except OSError:
        return None
    return max(counts), resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def free_descriptors() -> int:
    """Return how many more files this process may open, once its limit is raised as far as it may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    limit = max(soft, hard)
    try:
        opened = sum(1 for _ in Path("/proc/self/fd").iterdir())
    except OSError:
        opened = _OPENED
    return max(0, (_PLENTY if limit < 0 else limit) - opened)


def _children() -> Iterable[str]:
    for thread in Path("/proc/self/task").iterdir():
        yield from (thread / "children").read_text(encoding="ascii").split()


def _steady() -> float:
    # Unlike the monotonic clock this one goes on while the machine sleeps.
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class ClockWatch:
    """Notices, between two looks, that the time of day was stepped."""

    def __init__(self, clock: Callable[[], float] = time.time, steady: Callable[[], float] = _steady) -> None:
        """Start with the clocks as they are.

        clock: the time of day in seconds; steady: seconds of a clock that is never stepped.
        """
        self._clock = clock
        self._steady = steady
        self._offset = clock() - steady()
        self._step: tuple[float, float] | None = None

    def step(self) -> float | None:
        """Return by how many seconds the clock was stepped in the last ten minutes, None when it was not."""
        now = self._steady()
        offset = self._clock() - now
        if abs(offset - self._offset) > _STEP_SECONDS:
            self._step = (now, offset - self._offset)
        self._offset = offset
        if self._step is None or now - self._step[0] > _REMEMBERED_SECONDS:
            return None
        return self._step[1]


def end_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, also by kill -9: no orphan keeps a port, a lock or a lease.

    Call it in the child; `parent` is the process that made it. Where that has ended by now, this process ends at once: it
    has another parent already. It does nothing but on Linux.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
