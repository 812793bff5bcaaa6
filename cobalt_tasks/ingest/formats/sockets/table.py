"""A table of sockets: which lines listen, which are connections, and which end of a connection is the server."""

from abc import abstractmethod
from typing import Any, Final

from cobalt_tasks.core.records import Authority, Observation
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.connections import BY_PORT
from cobalt_tasks.ingest.formats.base import KnownLineFormat

CONNECTED: Final = frozenset({
    *("ESTAB", "SYN-SENT", "SYN-RECV", "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT", "CLOSE-WAIT", "LAST-ACK", "CLOSING"),
    *("ESTABLISHED", "SYN_SENT", "SYN_RECV", "SYN_RECEIVED", "FIN_WAIT1", "FIN_WAIT2", "FIN_WAIT_1", "FIN_WAIT_2"),
    *("TIME_WAIT", "CLOSE_WAIT", "LAST_ACK", "CLOSE", "CLOSED", "DELETE"),
})  # fmt: skip
"""States of a socket that has a peer."""

_PRIVILEGED: Final = 1024
_MOST_LISTENING: Final = 4096
_LONGEST: Final = 256


class SocketTable(KnownLineFormat):
    """Connections are observations; sockets that listen are remembered: they show which end of a connection is the server."""

    def __init__(self) -> None:
        """Start without a listening socket."""
        self._listening: set[tuple[str, int]] = set()

    @property
    def state(self) -> str | None:
        """The listening sockets."""
        return " ".join(sorted(f"{protocol}/{port}" for protocol, port in self._listening)) or None

    @state.setter
    def state(self, text: str | None) -> None:
        pairs = [each.split("/") for each in (text or "").split()]
        self._listening = {(protocol, int(port)) for protocol, port in pairs}

    def listen(self, protocol: str, port: str) -> None:
        """Remember that a socket listens.

        protocol: its transport; port: as the tool wrote it.
        """
        try:
            number = values.named_port(port, "port")
        except RefusedError:
            return
        if len(self._listening) < _MOST_LISTENING:
            self._listening.add((protocol, number))

    def connect(  # noqa: PLR0913  # the columns of a table of sockets
        self,
        batch: Batch,
        *,
        protocol: str,
        local: tuple[str, str],
        peer: tuple[str, str],
        process: str | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        """Add one connection; its source is the end that does not listen.

        Args:
            batch: what it is added to.
            protocol: its transport.
            local: address and port of this machine's end.
            peer: address and port of the other.
            process: the program that has the socket, None if the tool does not report it.
            details: what else the line reports.

        Raises:
            RefusedError: one of the values is none.

        """
        ours, theirs = _end(local, "local"), _end(peer, "peer")
        note: dict[str, Any] = {}
        is_server = (protocol, ours[1]) in self._listening
        # What has a privileged port and listens nowhere stood in a line that was left out.
        is_unlisted = ours[1] < _PRIVILEGED <= theirs[1]
        if not is_server and (not self._listening or is_unlisted):
            is_server = values.is_from_server(ours[1], theirs[1], theirs[0])
            note = {"direction": BY_PORT}
        source, target = (theirs, ours) if is_server else (ours, theirs)
        batch.observe(
            Observation(
                src_ip=source[0],
                src_port=source[1],
                dst_ip=target[0],
                dst_port=target[1],
                protocol=protocol,
                process=values.text(process, _LONGEST),
                authority=Authority.PACKET if note else Authority.LOG,
                details=values.details({**(details or {}), **note}),
            ),
        )

    @abstractmethod
    def line(self, line: bytes, batch: Batch) -> None:
        """Read one `line` into `batch`."""


def _end(end: tuple[str, str], name: str) -> tuple[str, int]:
    """Return address and port of one end, as numbers; `name` is what it is called in the reason of a reject."""
    hint = "(use -n for numbers)"
    return values.address(end[0], f"{name} address {hint}"), values.named_port(end[1], f"{name} port {hint}")
