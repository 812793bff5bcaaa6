"""Log files of a bounded size, for processes that write to a descriptor they were given."""

import contextlib
import os
import shutil
from pathlib import Path

LARGEST = 16 << 20
"""Bytes a log file may have before it is rotated; one older file is kept beside it."""


def rotate(file: Path, largest: int = LARGEST) -> bool:
    """Copy a log file that is too large to FILE.1 and empty it; return whether that was done.

    Its writers append, so they go on at its new end. A line that is written between copying and emptying is lost. When
    this process is killed in between, the next call does it again.

    Args:
        file: the log file; it may be missing.
        largest: bytes it may have.

    """
    with contextlib.suppress(OSError):
        if file.stat().st_size <= largest:
            return False
        older, unfinished = file.with_suffix(".log.1"), file.with_suffix(".log.new")
        shutil.copyfile(file, unfinished)
        unfinished.replace(older)
        os.truncate(file, 0)
        return True
    # A full disk: an older file is worth less than the space.
    with contextlib.suppress(OSError):
        file.with_suffix(".log.new").unlink(missing_ok=True)
        if file.exists() and file.stat().st_size > largest:
            os.truncate(file, 0)
    return False
