"""The kernel's log of packets: iptables -j LOG, nftables log, UFW."""

import re
from typing import Any, ClassVar, Final

from cobalt_tasks.core.records import Authority, Observation
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.connections import BY_PORT
from cobalt_tasks.ingest.formats.base import KnownLineFormat
from cobalt_tasks.ingest.formats.firewalls.log_time import time_of, without_time

_START: Final = re.compile(r"\bIN=\S* ")
_ENDS: Final = re.compile(r"\bSRC=\S+ DST=\S+")
_PAIR: Final = re.compile(r"([A-Z0-9]+)=(\S*)")
_PREFIX: Final = re.compile(r"(?:kernel: |\] )?(?:\[ *\d+\.\d+\] *)?([^\[\]]*|\[[^\]]*\])\s*$")
_USED: Final = frozenset({"SRC", "DST", "SPT", "DPT", "PROTO"})
_INNER: Final = re.compile(r" \[(SRC=[^\]]*)")
_LONGEST: Final = 128
_LONGEST_PACKET: Final = 512
_LONGEST_PREFIX: Final = 256


class FirewallLog(KnownLineFormat):
    """One packet a line, most of them refused: an attempt is a connection too, with what was done in the details."""

    name: ClassVar = "iptables"
    family: ClassVar = "iptables"
    tool: ClassVar = "iptables"
    summary: ClassVar = "lines of the kernel's log by iptables, nftables and UFW, in syslog, dmesg or the journal"
    is_traffic: ClassVar = True
    keeps_times: ClassVar = True

    @classmethod
    def recognises(cls, line: bytes) -> bool:
        """Recognise a packet."""
        return _packet(line.decode("utf-8", "replace")) is not None

    def line(self, line: bytes, batch: Batch) -> None:
        """Read one packet, a `line`, into `batch`; other lines of the log are ignored."""
        text = line.decode("utf-8", "replace")
        found = _packet(text)
        if found is None:
            batch.ignore()
            return
        # An error of ICMP holds the packet it is about: what comes after the bracket.
        inner = _INNER.search(found[1])
        several: dict[str, list[str]] = {}
        for name, value in _PAIR.findall(found[1][: inner.start()] if inner else found[1]):
            several.setdefault(name, []).append(value[:_LONGEST])
        pairs = {name: each[0] for name, each in several.items()}
        protocol = pairs.get("PROTO", "ip")
        if "SRC" not in pairs or "DST" not in pairs:
            raise RefusedError("SRC or DST is missing")
        prefix = without_time(found[0]).rpartition("kernel:")[2].strip()[-_LONGEST_PREFIX:]
        # UDP has a length of its own, ICMP an id: IP's comes first.
        kept: dict[str, Any] = {
            name.lower(): each[0] if len(each) == 1 else each for name, each in several.items() if name not in _USED
        }
        if named := _PREFIX.search(prefix):
            kept["rule"] = named[1].strip("[]: ")[:_LONGEST]
        if inner:
            kept["packet"] = inner[1][:_LONGEST_PACKET]
        flags = [flag for flag in ("SYN", "ACK", "RST", "FIN") if re.search(rf"\b{flag}\b(?!=)", found[1])]
        is_first = flags == ["SYN"]
        source_port, target_port = pairs.get("SPT", 0), pairs.get("DPT", 0)
        is_back = not is_first and values.is_answer(source_port, target_port, pairs["DST"])
        if not is_first and source_port and target_port:
            kept["direction"] = BY_PORT
        kept |= {"flags": flags} if flags else {}
        ends = [(pairs["SRC"], source_port), (pairs["DST"], target_port)]
        (source, source_port), (target, target_port) = ends[::-1] if is_back else ends
        batch.observe(
            Observation(
                src_ip=values.address(source, "SRC"),
                src_port=values.port(source_port, "SPT"),
                dst_ip=values.address(target, "DST"),
                dst_port=values.port(target_port, "DPT"),
                protocol=values.protocol(protocol),
                observed_at=time_of(text, batch.arrived_at),
                authority=Authority.FLOW if is_first else Authority.PACKET,
                details=values.details({name: value for name, value in kept.items() if value}),
            )
        )


def _packet(text: str) -> tuple[str, str] | None:
    """Return (what stands before it, the packet); None for another line."""
    start = _START.search(text)
    if start is None or _ENDS.search(text, start.end()) is None:
        return None
    return text[: start.start()], text[start.start() :]
