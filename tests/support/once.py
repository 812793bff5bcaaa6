"""What is made once in a run of the tests, though each of pytest-xdist's processes may need it."""

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp

_VARIABLE = "TESTS_MADE_ONCE"
"""Names the folder in the environment, which the processes have from the one that started them."""

_mine: list[str] = []


def start() -> None:
    """Make the folder, unless the process that started this one did."""
    if _VARIABLE not in os.environ:
        os.environ[_VARIABLE] = mkdtemp(prefix="cobalt-once-")
        _mine.append(os.environ[_VARIABLE])


def end() -> None:
    """Delete the folder in the process that made it, which is the last to end."""
    for folder in _mine:
        shutil.rmtree(folder, ignore_errors=True)
        os.environ.pop(_VARIABLE, None)


def made(name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder, to be read only; the first to ask for it fills it, while the others wait.

    Args:
        name: of the folder; short, since sockets may lie below.
        make: called with the empty folder; if it fails, the next to ask tries again.

    """
    folder = Path(os.environ[_VARIABLE]) / name
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            folder.mkdir(mode=0o700)
            try:
                make(folder)
            except BaseException:
                shutil.rmtree(folder)
                raise
    return folder
