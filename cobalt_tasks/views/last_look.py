"""Up to which change a user has looked with `cobalt changes --since last`; kept for each user in COBALT_HOME."""

import os
from pathlib import Path
from typing import Final

from cobalt_tasks.core.private_files import open_own

_FOLDER: Final = "last-look"
_LONGEST: Final = 32


def read(home: Path) -> int | None:
    """Return the id of the last change this user has seen; None if the user has none yet, or it cannot be read."""
    try:
        text = _file(home).read_text()[:_LONGEST]
    except (OSError, UnicodeDecodeError):
        return None
    return int(text) if text.strip().isdecimal() else None


def write(home: Path, change_id: int) -> None:
    """Keep the id of the last change this user has seen.

    home: the folder of the ledger's state; change_id: the change.

    Raises:
        OSError: it cannot be written.

    """
    file = _file(home)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    other = file.with_suffix(f".{os.getpid()}")
    with open(open_own(other, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "w") as opened:  # noqa: PTH123  # a descriptor
        opened.write(f"{change_id}\n")
    other.replace(file)


def _file(home: Path) -> Path:
    return home / _FOLDER / str(os.getuid())
