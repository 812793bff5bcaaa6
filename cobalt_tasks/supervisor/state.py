"""The lock of the state folder, for one Cobalt at a time, and the check of its ports."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cobalt_tasks.core import private_files
from cobalt_tasks.core.errors import AlreadyRunningError, ConfigurationError


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Hold the state folder for this process; the lock goes with it, however it ends.

    Raises:
        AlreadyRunningError: another process holds it.
        ConfigurationError: the folder cannot be made or written.

    """
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = private_files.open_own(home / "up.lock", os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise ConfigurationError(f"COBALT_HOME: {home} cannot be used: {error.strerror}") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(handle, 20).decode(errors="replace").strip() or "unknown"
            raise AlreadyRunningError(
                f"Cobalt is already running on {home} (process {holder}); stop it, or set COBALT_HOME to another folder",
            ) from None
        os.truncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(handle)


def subfolder(home: Path, name: str) -> Path:
    """Return a folder of the state folder, which is made if it is missing.

    Args:
        home: the state folder.
        name: the folder's name in it.

    Raises:
        ConfigurationError: it cannot be made, or something else has its name.

    """
    folder = home / name
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"COBALT_HOME: {folder} cannot be a folder: {error.strerror}") from error
    return folder


def require_free(port: int, option: str) -> None:
    """Raise if a program listens on a port of this machine.

    port: the TCP port; option: the option that changes it, for the message.

    Raises:
        ConfigurationError: the port is in use.

    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            raise ConfigurationError(f"port {port} is taken: choose another with {option}") from error
