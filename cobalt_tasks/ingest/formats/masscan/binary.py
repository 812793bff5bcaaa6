"""masscan -oB: a header, records of type, length and body, a trailer (masscan's out-binary.c and in-binary.c)."""

import struct
from ipaddress import IPv4Address, IPv6Address
from typing import ClassVar, Final

from cobalt_tasks.core.records import Discovery
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.formats.base import Format

_MAGIC: Final = b"masscan/1."
_FRAME: Final = 99
"""Bytes of the header and of the trailer; both start with the magic, which no record does."""

_LONG: Final = 0x80
_STATUS4: Final = struct.Struct(">IIBHBB")
_BANNER4: Final = struct.Struct(">IIBHHB")
_STATUS6: Final = struct.Struct(">IBHBBB16s")
_BANNER6: Final = struct.Struct(">IBHHBB16s")
_STATUS_OLD: Final = struct.Struct(">IIHBB")
_BANNER_OLD: Final = struct.Struct(">IIBHH")
_BANNER_OLDEST: Final = struct.Struct(">IIHH")

_OPEN: Final = frozenset({1, 6, 8, 10, 12})
_BANNERS_OLD: Final = frozenset({4, 5})
_TYPES: Final = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13})
_UDP_PORTS: Final = frozenset({53, 123, 137, 161})
_SCTP_PORTS: Final = frozenset({2905, 36412, 36422})
_UNCOUNTED: Final = 4
"""The type whose length does not count its last byte."""

_SERVICES: Final = {
    **dict.fromkeys((2, 3), "ssh"),
    4: "http",
    5: "ftp",
    6: "dns-ver",
    7: "snmp",
    8: "nbtstat",
    9: "ssl",
    10: "smb",
    11: "smtp",
    12: "pop",
    13: "imap",
    15: "X509",
}
"""Numbers that mean the same in every version; from 16 on they moved, and the content decides."""

_FLAGS: Final = ((0x01, "fin"), (0x02, "syn"), (0x04, "rst"), (0x08, "psh"), (0x10, "ack"), (0x20, "urg"))


class MasscanBinary(Format):
    """IPv4 and IPv6, ports, ARP and banners."""

    name: ClassVar = "masscan-binary"
    family: ClassVar = "masscan"
    tool: ClassVar = "masscan"
    summary: ClassVar = "-oB"

    def __init__(self) -> None:
        """Start with a file that makes sense."""
        self._lost = False

    @classmethod
    def score(cls, sample: bytes) -> int:
        """Recognise by the header."""
        return 1000 * sample.startswith(_MAGIC)

    @classmethod
    def is_whole(cls, tail: bytes) -> bool:
        """Return whether `tail`, the last bytes of the input, is the trailer."""
        return len(tail) > _FRAME and tail[-_FRAME:].startswith(_MAGIC)

    @property
    def state(self) -> str | None:
        """Remember that the file made no sense any more: there is no way to find the next record."""
        return "lost" if self._lost else None

    @state.setter
    def state(self, text: str | None) -> None:
        self._lost = text == "lost"

    def split(self, data: bytes) -> int:
        """Cut after the last whole record."""
        if self._lost:
            return len(data)
        at = 0
        while end := _end(data, at):
            at = end
            if at > len(data):
                return len(data)
        return at

    def resume(self, data: bytes) -> int:
        """Nothing can be found again."""
        self._lost = True
        return len(data)

    def parse(self, data: bytes, position: int, batch: Batch) -> None:
        """Read the records of `data`, which starts at byte `position`, into `batch`; after one that makes no sense the rest of the file cannot be read."""
        at = 0
        while at < len(data) and not self._lost:
            if _MAGIC.startswith(data[at : at + len(_MAGIC)]):
                at += _FRAME
                continue
            kind, end = data[at], _end(data, at)
            if kind not in _TYPES or not end or end > len(data):
                self._lost = kind not in _TYPES
                reason = (
                    f"no record has the type {kind}: the rest cannot be read" if self._lost else "the record is cut"
                )
                batch.reject(position + at, reason, data[at:])
                return
            body = data[at + (3 if data[at + 1] & _LONG else 2) : end]
            try:
                _take(kind, body, batch)
            except (struct.error, RefusedError) as error:
                batch.reject(position + at, f"the record cannot be read: {error}", data[at:end])
            at = end


def _end(data: bytes, at: int) -> int:
    """Return where the record at a position ends, or 0 when that is not in these bytes; past the end: nonsense."""
    if at + 1 >= len(data):
        return 0
    if _MAGIC.startswith(data[at : at + len(_MAGIC)]):
        return at + _FRAME if len(data) - at >= _FRAME else 0
    if data[at] not in _TYPES:
        return len(data) + 1
    if not data[at + 1] & _LONG:
        end = at + 2 + data[at + 1]
    elif at + 2 < len(data):
        end = at + 3 + ((data[at + 1] & ~_LONG) << 7 | data[at + 2] & 0x7F)
    else:
        return 0
    end += data[at] == _UNCOUNTED
    return end if end <= len(data) else 0


def _take(kind: int, body: bytes, batch: Batch) -> None:
    if kind in {9, 13, 3} | _BANNERS_OLD:
        batch.discover(_banner(kind, body))
        return
    if kind in {6, 7, 8}:
        when, ip, number, port, reason, ttl = _STATUS4.unpack_from(body)
        address, protocol = str(IPv4Address(ip)), values.protocol(number)
    elif kind in {1, 2}:
        when, ip, port, reason, ttl = _STATUS_OLD.unpack_from(body)
        address, protocol = str(IPv4Address(ip)), _guess(port)
    else:
        when, number, port, reason, ttl, _, ip6 = _STATUS6.unpack_from(body)
        address, protocol = str(IPv6Address(ip6)), values.protocol(number)
    if kind not in _OPEN:
        batch.ignore()
        return
    if kind in {8, 12}:
        protocol, port = "arp", 0
    batch.discover(
        Discovery(
            address=values.address(address, "address"),
            protocol=protocol,
            port=port,
            observed_at=float(when),
            reason="-".join(name for flag, name in _FLAGS if reason & flag) or "none",
            ttl=ttl,
        ),
    )


def _banner(kind: int, body: bytes) -> Discovery:
    ttl: int | None = None
    if kind == 9:  # noqa: PLR2004  # the type of an IPv4 banner
        when, ip, number, port, app, ttl = _BANNER4.unpack_from(body)
        address, raw = str(IPv4Address(ip)), body[_BANNER4.size :]
    elif kind in _BANNERS_OLD:
        when, ip, number, port, app = _BANNER_OLD.unpack_from(body)
        address, raw = str(IPv4Address(ip)), body[_BANNER_OLD.size :]
    elif kind == 3:  # noqa: PLR2004  # the type of an IPv4 banner before there were protocols
        when, ip, port, app = _BANNER_OLDEST.unpack_from(body)
        number, address, raw = 6, str(IPv4Address(ip)), body[_BANNER_OLDEST.size :]
    else:
        when, number, port, app, ttl, _, ip6 = _BANNER6.unpack_from(body)
        address, raw = str(IPv6Address(ip6)), body[_BANNER6.size :]
    return Discovery(
        address=values.address(address, "address"),
        protocol=values.protocol(number),
        port=port,
        observed_at=float(when),
        ttl=ttl,
        service=_service(app, raw),
        banner=raw,
    )


def _guess(port: int) -> str:
    """Return what masscan takes the protocol of its oldest records for, which do not have it."""
    return "udp" if port in _UDP_PORTS else "sctp" if port in _SCTP_PORTS else "tcp"


def _service(app: int, raw: bytes) -> str:
    if raw.startswith(b"MII"):
        return "X509"
    return _SERVICES.get(app) or ("title" if app in {16, 17} else "unknown")
