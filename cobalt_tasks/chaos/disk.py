"""A small disk for the stack, that can be filled: a file system in memory, which only root may mount."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_SIZE: Final = 512 << 20
_FILLER: Final = "filler"


@contextlib.contextmanager
def mounted(folder: Path) -> Iterator[bool]:
    """Mount a file system of its own on a folder, and yield whether that was possible; it is removed at the end."""
    options = f"size={_SIZE},mode=700"
    is_mounted = os.geteuid() == 0 and _run("mount", "-t", "tmpfs", "-o", options, "cobalt-chaos", str(folder))
    try:
        yield is_mounted
    finally:
        if is_mounted:
            _run("umount", "-l", str(folder))


def fill(folder: Path) -> None:
    """Leave no byte free on the file system of a folder."""
    with contextlib.suppress(OSError), (folder / _FILLER).open("ab") as file:
        free = os.statvfs(folder)
        os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize)
        while True:
            file.write(b"\0" * free.f_frsize)
            file.flush()


def empty(folder: Path) -> None:
    """Remove what `fill` wrote."""
    (folder / _FILLER).unlink(missing_ok=True)


def _run(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=10).returncode == 0  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return False
