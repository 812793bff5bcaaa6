"""The web server around the application."""

import socket
from collections.abc import Callable
from types import FrameType

import uvicorn
from fastapi import FastAPI

from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.views.dashboard.app import create_app
from cobalt_tasks.views.dashboard.http_deadlines import DeadlineProtocol
from cobalt_tasks.views.dashboard.stream import Streams

_STOP_SECONDS = 3
_LONGEST_HEADER = 16 * 1024


class _Server(uvicorn.Server):
    """Ends the open streams first when it stops; they would never end by themselves."""

    def __init__(self, config: uvicorn.Config, streams: Streams) -> None:
        super().__init__(config)
        self._streams = streams

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self._streams.stop()
        # The signal has done its work: uvicorn would raise it again after a clean end.
        self.force_exit = self.should_exit
        self.should_exit = True


def serve(
    settings: Settings, host: str, port: int, report: Callable[[str], None], *, flower_port: int | None = None
) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        settings: of this process.
        host: the address or name to listen on.
        port: the TCP port.
        report: called with the URL as soon as connections are accepted.
        flower_port: the port of this machine that Flower listens on, to which the page links; None: no link.

    Raises:
        ConfigurationError: the address cannot be used, or the settings cannot.
        DatabaseUnavailableError: the ledger does not open.

    """
    app = create_app(settings)
    app.state.flower_port = flower_port
    with _listen(host, port) as listener:
        report(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")
        _Server(server_config(app), app.state.streams).run(sockets=[listener])


def server_config(app: FastAPI) -> uvicorn.Config:
    """Return how the application is served: with deadlines, bounded headers and no WebSockets."""
    return uvicorn.Config(
        app,
        http=DeadlineProtocol,
        ws="none",
        h11_max_incomplete_event_size=_LONGEST_HEADER,
        # Warnings are about what clients do: anyone could fill the log with them.
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )


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
