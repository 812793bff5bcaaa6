"""pfSense and OPNsense: lines of filterlog, cells between commas."""

import re
from typing import Any, ClassVar, Final

from cobalt_tasks.core.records import Authority, Observation
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.connections import BY_PORT
from cobalt_tasks.ingest.formats.base import KnownLineFormat
from cobalt_tasks.ingest.formats.firewalls.log_time import time_of

_LINE: Final = re.compile(r"(.*?)filterlog(?:\[\d+\])?:? (?:\d+ - \[[^\]]*\] |\d+ - - )?(\d*,.*)")
_V4: Final = ("tos", "ecn", "ttl", "id", "offset", "flags", "protocol_id", "protocol", "length", "source", "target")
_V6: Final = ("class", "flow", "hop_limit", "protocol", "protocol_id", "length", "source", "target")
_HEAD: Final = (
    "rule",
    "subrule",
    "anchor",
    "tracker",
    "interface",
    "reason",
    "action",
    "direction_of_packet",
    "version",
)
_MOST: Final = 8
_PORTS: Final = frozenset({"tcp", "udp"})


class PfsenseLog(KnownLineFormat):
    """One packet a line, with what the filter did."""

    name: ClassVar = "pfsense"
    family: ClassVar = "pfsense"
    tool: ClassVar = "pfsense"
    summary: ClassVar = "lines of filterlog, also of OPNsense"
    is_traffic: ClassVar = True
    keeps_times: ClassVar = True

    @classmethod
    def recognises(cls, line: bytes) -> bool:
        """Recognise a line of filterlog."""
        return _LINE.fullmatch(line.decode("utf-8", "replace")) is not None

    def line(self, line: bytes, batch: Batch) -> None:
        """Read one packet, a `line`, into `batch`; other lines of the log are ignored."""
        text = line.decode("utf-8", "replace")
        found = _LINE.fullmatch(text)
        if found is None:
            batch.ignore()
            return
        cells = found[2].split(",")
        head = dict(zip(_HEAD, cells, strict=False))
        names = {"4": _V4, "6": _V6}.get(head.get("version", ""))
        if names is None:
            raise RefusedError("no version of IP")
        packet: dict[str, Any] = dict(zip(names, cells[len(_HEAD) :], strict=False))
        rest = cells[len(_HEAD) + len(names) :]
        protocol = values.protocol(str(packet.get("protocol", "")).lower() or "ip")
        ports = (
            [values.port(each or 0, "port") for each in rest[:2]] if protocol in _PORTS and len(rest) > 1 else [0, 0]
        )
        flags = rest[3] if protocol == "tcp" and len(rest) > 3 else ""  # noqa: PLR2004
        is_first = flags == "S"
        kept: dict[str, Any] = {name: value for name, value in head.items() if value and name != "version"}
        kept |= {
            name: packet[name] for name in ("ttl", "hop_limit", "length", "id", "tos", "class") if packet.get(name)
        }
        if protocol not in _PORTS and rest:
            kept["rest"] = rest[:_MOST]
        is_back = not is_first and values.is_answer(ports[0], ports[1], packet.get("target"))
        if not is_first and ports[0]:
            kept["direction"] = BY_PORT
        if flags:
            kept["flags"] = flags
        ends = [(packet.get("source"), ports[0]), (packet.get("target"), ports[1])]
        (source, source_port), (target, target_port) = ends[::-1] if is_back else ends
        batch.observe(
            Observation(
                src_ip=values.address(source, "source"),
                src_port=source_port,
                dst_ip=values.address(target, "destination"),
                dst_port=target_port,
                protocol=protocol,
                observed_at=time_of(text, batch.arrived_at),
                authority=Authority.FLOW if is_first else Authority.PACKET,
                details=values.details(kept),
            )
        )
