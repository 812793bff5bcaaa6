"""Files of this user alone: the mask of new ones, the state folder, and opening without following planted links."""

import os
import stat
import sys
from pathlib import Path
from typing import Final

from cobalt_tasks.core.errors import ConfigurationError

_MASK: Final = 0o077
_ONLY_OURS: Final = 0o700


def set_mask() -> None:
    """Close everything that this process and its children create to other users."""
    os.umask(_MASK)


def require_own_folder(folder: Path) -> None:
    """Check a state folder, if it is there: close one that others can only read, refuse one that they can write into.

    Raises:
        ConfigurationError: it belongs to another user, others can write into it, or it cannot be closed.

    """
    try:
        found = folder.stat()
    except OSError:
        # The command that needs it makes it, or reports why that fails.
        return
    if not stat.S_ISDIR(found.st_mode):
        return
    if found.st_uid != os.geteuid():
        raise ConfigurationError(
            f"COBALT_HOME: {folder} belongs to another user (number {found.st_uid}): run Cobalt as that user, "
            "or set COBALT_HOME to a folder of your own"
        )
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ConfigurationError(
            f"COBALT_HOME: other users can write into {folder}: look whether its files are yours, then "
            f"run chmod 700 {folder}, or set COBALT_HOME to a folder of your own"
        )
    if found.st_mode & ~_ONLY_OURS & 0o077:
        _close(folder)


def open_own(path: Path, flags: int) -> int:
    """Open or create a file, mode 600, and return its descriptor; a link in its place is not followed.

    Args:
        path: the file.
        flags: those of os.open; O_NOFOLLOW and O_CLOEXEC are added.

    Raises:
        OSError: it cannot be opened; ELOOP for a link.

    """
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def refuse_planted(path: Path, variable: str) -> None:
    """Refuse a link that another user put where a file of ours is expected; our own links, and root's, are followed.

    Args:
        path: the file.
        variable: the setting it comes from, for the message.

    Raises:
        ConfigurationError: it is such a link.

    """
    try:
        found = path.lstat()
    except OSError:
        return
    if stat.S_ISLNK(found.st_mode) and found.st_uid not in {0, os.geteuid()}:
        raise ConfigurationError(f"{variable}: {path} is a link that another user made: remove it")


def _close(folder: Path) -> None:
    try:
        folder.chmod(_ONLY_OURS)
    except OSError as error:
        raise ConfigurationError(
            f"COBALT_HOME: other users can read {folder}, and it cannot be closed ({error.strerror}): "
            f"run chmod 700 {folder}"
        ) from None
    sys.stderr.write(f"cobalt: other users could read {folder}: closed it (chmod 700)\n")
