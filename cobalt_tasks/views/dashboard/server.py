"""The web server around the application."""

import ipaddress
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn

from cobalt_tasks.errors import ConfigurationError
from cobalt_tasks.settings import Settings
from cobalt_tasks.views.dashboard.app import create_app
from cobalt_tasks.views.dashboard.security import credentials
from cobalt_tasks.views.dashboard.stream import Streams

_STOP_SECONDS = 3
_CONNECTIONS = 1000


class _Server(uvicorn.Server):
    """Ends the open streams first when it is told to stop; they would never end by themselves."""

    def __init__(self, config: uvicorn.Config, streams: Streams) -> None:
        super().__init__(config)
        self._streams = streams

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self._streams.stop()
        # The signal has done its work: uvicorn would raise it again after a clean end.
        self.force_exit = self.should_exit
        self.should_exit = True


def serve(settings: Settings, host: str, port: int, say: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; `say` is told the URL as soon as connections are taken.

    Raises:
        ConfigurationError: the address cannot be used, or the settings cannot.
        DatabaseUnavailableError: the ledger does not open.

    """
    app = create_app(settings)
    with _listen(host, port) as listener:
        say(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")
        config = uvicorn.Config(
            app,
            log_level="warning",
            server_header=False,
            proxy_headers=False,
            limit_concurrency=_CONNECTIONS,
            timeout_graceful_shutdown=_STOP_SECONDS,
        )
        _Server(config, app.state.streams).run(sockets=[listener])


def is_open_to_others(settings: Settings, host: str) -> bool:
    """Tell whether other machines can read the page without a password."""
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = host == "localhost"
    return not is_loopback and credentials(settings) is None


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
            listener.listen()
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise ConfigurationError(f"cannot listen on {host} port {port}: {error.strerror}") from error
    return listener
