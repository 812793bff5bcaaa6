"""CEF (ArcSight) and LEEF (QRadar): events of firewalls and sensors, one a line, mostly behind the start of a line of syslog."""

import re
from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Final

from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.formats.base import KnownLineFormat
from cobalt_tasks.ingest.formats.firewalls.log_time import time_of
from cobalt_tasks.ingest.formats.flows import table
from cobalt_tasks.ingest.formats.nmap.services import local_time

Pairs = dict[str, str]

_CELL: Final = r"((?:\\.|[^\\|])*)\|"
_CEF: Final = re.compile(rf"CEF: ?\d+\|{_CELL * 6}(.*)", re.DOTALL)
_LEEF: Final = re.compile(rf"LEEF: ?(\d)(?:\.\d+)?\|{_CELL * 3}([^|\t]*)[|\t](.*)", re.DOTALL)
_DELIMITER: Final = re.compile(r"(?:0?x([0-9A-Fa-f]{1,4})|([^\w|])|)\|")
"""What LEEF 2 names to stand between two pairs."""

_HEAD: Final = ("device_vendor", "device_product", "device_version", "event_id", "event", "severity")
_KEY: Final = re.compile(r"(?:^|(?<=\s))([\w.\[\]-]+)=")
_PIPES: Final = re.compile(r"\|[\w.-]+=")
_ESCAPED: Final = re.compile(r"\\([\\=|nr])")
_ESCAPES: Final = {"n": "\n", "r": "\r"}
_LABEL: Final = "Label"
_TEXT: Final = re.compile(r"([A-Z][a-z]{2} +\d{1,2}) (?:(\d{4}) )?(\d\d:\d\d:\d\d)(\.\d{1,9})?(?: (\S{1,8}))?")

_NAMES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("src", "srcip", "sourceaddress", "source_ip", "source ipv6 address"), "source"),
    **dict.fromkeys(("dst", "dstip", "destinationaddress", "destination_ip", "destination ipv6 address"), "target"),
    **dict.fromkeys(("spt", "srcport", "sourceport"), "source_port"),
    **dict.fromkeys(("dpt", "dstport", "destinationport"), "target_port"),
    **dict.fromkeys(("proto", "protocol", "transportprotocol"), "protocol"),
    **dict.fromkeys(("start", "starttime"), "start"),
    **dict.fromkeys(("rt", "devicereceipttime", "devtime"), "receipt"),
    **dict.fromkeys(("externalid", "sessionid", "session id"), "session"),
}
"""What the keys are called, in lower case, or the labels of custom ones."""

_TRANSPORTS: Final = frozenset(
    {"tcp", "udp", "sctp", "icmp", "icmp6", "icmpv6", "ipv6-icmp", "igmp", "gre", "esp", "ah"}
)
"""Names of protocols of IP; others that a device writes there are of what it carries."""

_COLUMNS: Final = {each: each for each in ("source", "source_port", "target", "target_port", "protocol", "start")}
_MOST_DIGITS: Final = 3
_DAY: Final = 86400
_LONGEST: Final = 64


class Events(KnownLineFormat):
    """An event with two ends is a connection: its source spoke first. Events of one session are one; others are ignored."""

    is_traffic: ClassVar = True
    keeps_times: ClassVar = True

    @classmethod
    def recognises(cls, line: bytes) -> bool:
        """Recognise an event, wherever it starts on its line."""
        return cls.event(line.decode("utf-8", "replace")) is not None

    @classmethod
    @abstractmethod
    def event(cls, text: str) -> tuple[Pairs, Pairs] | None:
        """Return (what the header has, the event's own pairs) of a line; None for another line."""

    def line(self, line: bytes, batch: Batch) -> None:
        """Read one event, a `line`, into `batch`; other lines of the log are ignored."""
        text = line.decode("utf-8", "replace")
        found = self.event(text)
        flow, rest = _apart(found[1]) if found else ({}, {})
        if found is None or "source" not in flow or "target" not in flow:
            batch.ignore()
            return
        when = _time(flow, batch.arrived_at) or time_of(text, batch.arrived_at)
        at = batch.arrived_at if when is None else when
        session = flow.get("session")
        table.add(
            batch,
            {"protocol": "ip", **found[0], **rest, **flow},
            _COLUMNS,
            start=when,
            is_directed=True,
            identity=f"{session[:_LONGEST]} {int(at // _DAY)}" if session else None,
        )
        for key, end in (("shost", "source"), ("dhost", "target")):
            batch.name(values.address(flow[end], end), rest.get(key), self.tool, when)


class Cef(Events):
    """`CEF:0|vendor|product|version|id|name|severity|src=192.0.2.1 spt=50000 dst=…`."""

    name: ClassVar = "cef"
    family: ClassVar = "cef"
    tool: ClassVar = "cef"
    summary: ClassVar = "ArcSight's events of firewalls and sensors, also behind the start of a line of syslog"

    @classmethod
    def event(cls, text: str) -> tuple[Pairs, Pairs] | None:
        """Return (what the header has, the event's own pairs) of a line; None for another line."""
        found = _CEF.search(text)
        return (_head(found.groups()[:-1]), _pairs(found[7])) if found else None


class Leef(Events):
    """`LEEF:2.0|vendor|product|version|id|^|src=192.0.2.1^srcPort=50000^dst=…`."""

    name: ClassVar = "leef"
    family: ClassVar = "leef"
    tool: ClassVar = "leef"
    summary: ClassVar = "QRadar's events of firewalls and sensors, also behind the start of a line of syslog"

    @classmethod
    def event(cls, text: str) -> tuple[Pairs, Pairs] | None:
        """Return (what the header has, the event's own pairs) of a line; None for another line."""
        found = _LEEF.search(text)
        if found is None:
            return None
        rest, between = found[6], "\t"
        if found[1] != "1" and (named := _DELIMITER.match(rest)):
            rest = rest[named.end() :]
            between = chr(int(named[1], 16)) if named[1] else named[2] or between
        elif between not in rest and _PIPES.search(rest):
            between = "|"
        head = _head(found.groups()[1:-1])
        if between == " " or between not in rest:
            # It was copied from a terminal: blanks stand for its tabs.
            return head, _pairs(rest)
        several = (each.partition("=") for each in rest.split(between))
        return head, {key.strip(): value.strip() for key, is_pair, value in several if is_pair}


def _head(cells: tuple[str, ...]) -> Pairs:
    return {name: _plain(cell.strip()) for name, cell in zip(_HEAD, cells, strict=False)}


def _pairs(text: str) -> Pairs:
    """Return the pairs of a text; a value goes to the next key, whatever blanks it has."""
    keys = list(_KEY.finditer(text))
    ends = [*(each.start() for each in keys[1:]), len(text)]
    # Without a key there is an end and no pair.
    return {key[1]: _plain(text[key.end() : end].strip()) for key, end in zip(keys, ends, strict=False)}


def _plain(text: str) -> str:
    return _ESCAPED.sub(lambda found: _ESCAPES.get(found[1], found[1]), text) if "\\" in text else text


def _apart(pairs: Pairs) -> tuple[Pairs, Pairs]:
    """Return (what an event has of its connection, the rest); a custom key has the name that its label is."""
    flow: Pairs = {}
    rest: Pairs = {}
    for key, value in pairs.items():
        if key.endswith(_LABEL) and key.removesuffix(_LABEL) in pairs:
            continue
        name = pairs.get(key + _LABEL) or key
        known = _NAMES.get(name.lower())
        if known and value and known not in flow and (known != "protocol" or _is_transport(value)):
            flow[known] = value
        elif value:
            rest[name] = value
    return flow, rest


def _is_transport(value: str) -> bool:
    return value.lower() in _TRANSPORTS or (value.isdecimal() and len(value) <= _MOST_DIGITS)


def _time(flow: Pairs, arrived_at: float) -> float | None:
    """Remove the time from what an event has of its connection, and return it: its start before its receipt; None without one.

    flow: its values; arrived_at: epoch seconds: some times have no year.
    """
    for name in ("start", "receipt"):
        text = flow.get(name, "")
        when = values.timestamp_or_none(text or None)
        if when is None and (found := _TEXT.fullmatch(text)):
            day, year, clock, part, zone = found.groups()
            when = (
                local_time(f"{day} {year} {clock}", "%b %d %Y %H:%M:%S", zone or "")
                if year
                else time_of(text, arrived_at)
            )
            when = when if when is None else when + float(part or 0)
        if when is not None:
            del flow[name]
            return when
    return None
