"""iproute2's `ss -tunap`: one socket a line."""

import re
from typing import ClassVar, Final

from cobalt_tasks.core.records import Observation
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.formats.base import KnownLineFormat

_LINE: Final = re.compile(r"(tcp|udp)\s+([A-Z0-9-]+)\s+\d+\s+\d+\s+(\S+):(\S+)\s+(\S+):(\S+)(?:\s+(.*))?")
_PROCESS: Final = re.compile(r'users:\(\("((?:[^"\\]|\\.)*)"')
_CONNECTED: Final = frozenset({
    *("ESTAB", "SYN-SENT", "SYN-RECV", "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT", "CLOSE-WAIT", "LAST-ACK", "CLOSING"),
})  # fmt: skip
_LONGEST: Final = 256


class Ss(KnownLineFormat):
    """Connections are observations; sockets that listen or are not connected are ignored."""

    name: ClassVar = "ss"
    family: ClassVar = "ss"
    tool: ClassVar = "ss"
    summary: ClassVar = "-tunap"
    is_traffic: ClassVar = True

    @classmethod
    def recognises(cls, line: bytes) -> bool:
        """Recognise the header, or a socket."""
        return line.startswith(b"Netid ") or _LINE.fullmatch(line.decode("utf-8", "replace")) is not None

    def line(self, line: bytes, batch: Batch) -> None:
        """Read one socket."""
        if line.startswith(b"Netid "):
            return
        found = _LINE.fullmatch(line.decode("utf-8", "replace"))
        if found is None:
            raise RefusedError("no line of ss -tunap")
        protocol, state, local, local_port, peer, peer_port, rest = found.groups()
        if state not in _CONNECTED or peer_port == "*":
            batch.ignore()
            return
        process = _PROCESS.search(rest or "")
        batch.observe(
            Observation(
                src_ip=values.address(local, "local address"),
                src_port=values.port(local_port, "local port"),
                dst_ip=values.address(peer, "peer address"),
                dst_port=values.port(peer_port, "peer port"),
                protocol=protocol,
                process=values.text(process[1], _LONGEST) if process else None,
            ),
        )
