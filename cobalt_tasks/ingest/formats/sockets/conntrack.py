"""conntrack -E and -L, and /proc/net/nf_conntrack: the connections a Linux firewall tracks."""

import re
from typing import Any, ClassVar, Final

from cobalt_tasks.core.records import Authority, Observation
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.formats.base import KnownLineFormat

_LINE: Final = re.compile(
    r"(?:\[(\d+\.\d+)\s*\]\s+)?(?:\[(\w+)\]\s+)?(?:ipv[46]\s+\d+\s+)?([a-z][a-z0-9-]*)\s+(\d+)\s+(?:(\d+)\s+)?"
    r"(?:([A-Z_]+)\s+)?(src=.*)"
)
_PAIR: Final = re.compile(r"([a-z-]+)=(\S+)")
_MARK: Final = re.compile(r"\[([A-Z_]+)\]")
_SUMMARY: Final = re.compile(r"conntrack v")
_KEPT: Final = ("zone", "mark", "secctx", "srckey", "dstkey", "labels", "delta-time")
_COUNTS: Final = frozenset({"packets", "bytes"})
_BOUND: Final = re.compile(r"\[(start|stop)=([^\]]*)\]")
"""When the kernel saw a connection start and end, in local time, with -o ktimestamp."""

_OFTEN_ZERO: Final = frozenset({"zone", "mark"})
_DAY: Final = 86400
_LONGEST: Final = 64


class Conntrack(KnownLineFormat):
    """The first addresses are the original direction's: who spoke first is known. Events of one connection are one."""

    name: ClassVar = "conntrack"
    family: ClassVar = "conntrack"
    tool: ClassVar = "conntrack"
    summary: ClassVar = "-E and -L, also with -o timestamp,id,extended, and /proc/net/nf_conntrack"
    is_traffic: ClassVar = True

    @classmethod
    def recognises(cls, line: bytes) -> bool:
        """Recognise an entry or an event."""
        return _LINE.fullmatch(line.decode("utf-8", "replace")) is not None

    def line(self, line: bytes, batch: Batch) -> None:
        """Read one entry or event, a `line`, into `batch`."""
        text = line.decode("utf-8", "replace")
        if _SUMMARY.match(text):
            batch.ignore()
            return
        found = _LINE.fullmatch(text)
        if found is None:
            raise RefusedError("no line of conntrack")
        time, event, protocol, number, _, state, rest = found.groups()
        original: dict[str, str] = {}
        reply: dict[str, str] = {}
        for name, value in _PAIR.findall(rest):
            (reply if name in original else original).setdefault(name, value)
        bounds = {name: values.asctime(written) for name, written in _BOUND.findall(rest)}
        when = bounds.get("start") or (None if time is None else values.timestamp(time))
        at = batch.written_at if when is None else when
        about: dict[str, Any] = {"state": state, "event": event, "marks": _MARK.findall(rest) or None}
        about |= {f"icmp_{name}": original.get(name) for name in ("type", "code")}
        about |= {name: original.get(name, reply.get(name)) for name in _KEPT} | {"end": bounds.get("stop")}
        for name in _COUNTS:
            for end, pairs in (("orig", original), ("reply", reply)):
                if pairs.get(name, "").isdecimal():
                    about[f"{end}_{name}"] = int(pairs[name][:18])
        kept = {name: value for name, value in about.items() if value and (name not in _OFTEN_ZERO or value != "0")}
        if reply.get("src") not in (None, original.get("dst")):
            kept["translated_to"] = reply["src"]
        if reply.get("dst") not in (None, original.get("src")):
            kept["translated_from"] = reply["dst"]
        day = int(at // _DAY)
        if "icmp_type" in kept:
            # ICMP has an id of its own.
            identity = f"{protocol} {original.get('id', '')} {day}"
        else:
            identity = original.get("id", reply.get("id", f"{protocol} {day}"))
        batch.observe(
            Observation(
                src_ip=values.address(original.get("src"), "src"),
                src_port=values.port(original.get("sport", 0), "sport"),
                dst_ip=values.address(original.get("dst"), "dst"),
                dst_port=values.port(original.get("dport", 0), "dport"),
                protocol=values.protocol(number if protocol == "unknown" else protocol),
                observed_at=when,
                identity=values.text(identity, _LONGEST),
                authority=Authority.FLOW,
                details=values.details(kept),
            ),
        )
