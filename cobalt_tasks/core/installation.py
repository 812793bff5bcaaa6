"""Installs data files into a folder of the user's: one update at a time, each file replaced at once or not at all."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory
from typing import Final

from cobalt_tasks.core.errors import CobaltError
from cobalt_tasks.core.private_files import open_own

_TEMPORARY: Final = ".update-"


@contextmanager
def exclusive_update(folder: Path, failure: type[CobaltError], data: str) -> Iterator[Path]:
    """Provide a temporary folder to one update at a time; remove what killed updates left there.

    Args:
        folder: the folder of the data; it is made if it is missing.
        failure: what is raised when another update is running, or the folder cannot be written.
        data: what the folder holds, for the message.

    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(open_own(folder / ".lock", os.O_WRONLY | os.O_CREAT), "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise failure(f"another update of {data} is running") from None
            for left in folder.glob(f"{_TEMPORARY}*"):
                shutil.rmtree(left, ignore_errors=True)
            with TemporaryDirectory(dir=folder, prefix=_TEMPORARY) as temporary:
                yield Path(temporary)
    except OSError as error:
        raise failure(f"{folder} cannot be written: {error.strerror or error}") from error


def replace_file(path: Path, content: bytes) -> None:
    """Write `content` to `path`, mode 600; a reader sees the old file or the new one, whole, also after a power cut."""
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).replace(path)


def signature(path: Path) -> tuple[int, int, int] | None:
    """Return inode, modification time and size of a file, which change when it is replaced; None without the file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
