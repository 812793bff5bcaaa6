"""tshark's default output, one packet a line for people: `1 0.000000 192.0.2.2 → 203.0.113.80 TCP 74 54321 → 443 [SYN]`, and
the same columns as Wireshark exports them as CSV.
"""

import csv
import re
from typing import ClassVar, Final

from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.formats.base import KnownLineFormat
from cobalt_tasks.ingest.formats.tshark import packets

_ARROW: Final = r"(?:\u2192|->)"
_LINE: Final = re.compile(
    rf"(?:\d+\s+)?(\d+\.\d+|[\d-]+ [\d:.]+)\s+(\S+)\s+{_ARROW}\s+(\S+)\s+(\S+)\s+(\d+)(?:\s+(.*))?"
)
_PORTS: Final = re.compile(rf"(?:\[[^\]]*\] )*(\d+) +(?:{_ARROW}|>) +(\d+)(?: \[([A-Z, ]+)\])?")
_COLUMNS: Final = ["No.", "Time", "Source", "Destination", "Protocol", "Length", "Info"]
_TIME: Final = re.compile(r"\d+\.\d+|[\d-]+ [\d:.]+")
_SECONDS: Final = re.compile(r"\d{1,12}\.\d{1,9}", re.ASCII)
_SNI: Final = re.compile(r"\(SNI=([^\s)]{1,253})\)")
_TRANSPORTS: Final = frozenset({"tcp", "udp", "sctp"})
_NUMBERS: Final = {"tcp": "6", "udp": "17", "sctp": "132", "icmp": "1", "icmpv6": "58"}
_EPOCH: Final = 1e8
"""Seconds below which a time counts from the first packet (-t r), and is none."""


class TsharkText(KnownLineFormat):
    """Only packets without a protocol above the transport show ports; of the others the two hosts are known."""

    name: ClassVar = "tshark-text"
    family: ClassVar = "tshark"
    tool: ClassVar = "tshark"
    summary: ClassVar = "its default output, and Wireshark's CSV; better use -T ek"
    is_traffic: ClassVar = True

    @classmethod
    def recognises(cls, line: bytes) -> bool:
        """Recognise a packet."""
        text = line.decode("utf-8", "replace")
        return _columns(text) is not None or _row(text) == _COLUMNS

    def line(self, line: bytes, batch: Batch) -> None:
        """Read one packet, a `line`, into `batch`."""
        text = line.decode("utf-8", "replace")
        found = _columns(text)
        if found is None and _row(text) == _COLUMNS:
            return
        if found is None:
            raise RefusedError("no packet as tshark prints it")
        time, source, target, protocol, info = found
        if source.count(":") == 5 or target.count(":") == 5 or target == "Broadcast":  # noqa: PLR2004  # a MAC address
            batch.ignore()
            return
        packets.read(fields_of(time, source, target, protocol, info or ""), batch)


def fields_of(time: str, source: str, target: str, protocol: str, info: str) -> packets.Fields:
    """Return the fields of a packet that follow from the columns for people.

    time: of the day, epoch seconds, or since the first packet, which is no time; source, target: the addresses; protocol: the
    highest; info: the words about it.
    """
    family = "ipv6" if ":" in source else "ip"
    fields: packets.Fields = {f"{family}_src": [source], f"{family}_dst": [target], "_ws_col_protocol": [protocol]}
    if named := _SNI.search(info):
        fields["tls_handshake_extensions_server_name"] = [named[1]]
    name = protocol.lower()
    ports = _PORTS.match(info)
    if ports and name not in _NUMBERS:
        # A retransmission of TCP can show the name of what it carries.
        name = "tcp" if "Seq=" in info else "udp"
    if name in _NUMBERS:
        fields["ip_proto"] = [_NUMBERS[name]]
    if info and name not in _TRANSPORTS:
        # Words about what is above the transport; those about packets of TCP differ in each.
        fields["_ws_col_info"] = [info]
    if ports and name in _TRANSPORTS:
        fields[f"{name}_srcport"], fields[f"{name}_dstport"] = [ports[1]], [ports[2]]
        for flag in (ports[3] or "").lower().split(", "):
            fields[f"tcp_flags_{flag}"] = ["1"]
    if " " in time:
        fields[packets.TIMES[0]] = [time]
    elif _SECONDS.fullmatch(time) and float(time) > _EPOCH:
        fields["frame_time_epoch"] = [time]
    return fields


def _row(text: str) -> list[str]:
    """Return the cells of a row of CSV; nothing for another line."""
    try:
        return next(csv.reader([text]), []) if text.startswith('"') else []
    except csv.Error:
        return []


def _columns(text: str) -> tuple[str, str, str, str, str | None] | None:
    """Return time, source, target, protocol and info of a packet; None for another line."""
    if found := _LINE.fullmatch(text):
        return found[1], found[2], found[3], found[4], found[6]
    cells = _row(text)
    if len(cells) == len(_COLUMNS) and cells[0].isdigit() and cells[5].isdigit() and _TIME.fullmatch(cells[1]):
        return cells[1], cells[2], cells[3], cells[4], cells[6]
    return None
