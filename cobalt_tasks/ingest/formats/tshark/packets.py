"""What a packet that tshark printed reports: of its layers, the outermost decides; packets of one stream are one connection."""

import re
from typing import Any, Final

from cobalt_tasks.core.records import Authority, Observation
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.connections import BY_PORT
from cobalt_tasks.ingest.formats import names
from cobalt_tasks.ingest.formats.nmap.services import local_time

Fields = dict[str, list[str]]
"""The values of each field, by its name with underscores instead of dots; several layers have several."""

ADDRESSES: Final = frozenset({"ip_src", "ip_dst", "ipv6_src", "ipv6_dst", "ip_addr", "ipv6_addr"})
TIMES: Final = ("frame_time", "frame_time_utc")
"""For people: in the zone of who looks, and in UTC (since 4.2)."""

_DATE: Final = re.compile(
    r"([A-Z][a-z]{2}) +(\d{1,2}), (\d{4}) (\d\d:\d\d:\d\d)(\.\d{1,9})?(?: ([A-Za-z+-][\w :()+-]{0,63}))?", re.ASCII
)
"""`Nov 26, 2026 16:26:22.123456789 UTC`; Windows has longer names of zones."""

_BOTH: Final = {
    **{f"{name}_addr": (f"{name}_src", f"{name}_dst") for name in ("ip", "ipv6")},
    **{f"{name}_port": (f"{name}_srcport", f"{name}_dstport") for name in ("tcp", "udp", "sctp")},
}
"""Fields that hold a value of either end, the source's first."""

_TRANSPORTS: Final = {6: "tcp", 17: "udp", 132: "sctp"}
_ICMP: Final = {"icmp_type": "icmp", "icmpv6_type": "icmp6"}
_SYN: Final = 0x02
_ACK: Final = 0x10
_TRUE: Final = frozenset({"1", "True", "true"})
_DAY: Final = 86400
_KEPT: Final = ("http_", "tls_", "dns_", "ssh_", "ftp_", "smtp_", "dhcp_", "_ws_col_", "eth_", "vlan_", "ja3", "x509")
"""Beginnings of the names of fields that are kept in the details."""

_SNI: Final = "tls_handshake_extensions_server_name"
_LONGEST: Final = 256
_DIGITS: Final = 3
"""Digits of a protocol number."""


def read(fields: Fields, batch: Batch) -> None:
    """Read one packet.

    Args:
        fields: its fields.
        batch: what it is added to.

    Raises:
        RefusedError: one of its values is none.

    """
    fields = _with_ends(fields)
    source, target = (_first(fields, f"ip_{end}", f"ipv6_{end}") for end in ("src", "dst"))
    if source is None and target is None:
        # A frame that is no IP: ARP, spanning tree and the like.
        batch.ignore()
        return
    protocol, ports = _transport(fields)
    ends = (
        values.address(source, "source"),
        values.port(ports[0], "source port") if ports[0] else None,
        values.address(target, "destination"),
        values.port(ports[1] or 0, "destination port"),
    )
    when = _time(fields)
    is_back, authority, note = _direction(fields, protocol, ends[1], ends[2:])
    if is_back:
        ends = (ends[2], ends[3], ends[0], ends[1] or 0)
    batch.observe(
        Observation(
            src_ip=ends[0],
            src_port=ends[1],
            dst_ip=ends[2],
            dst_port=ends[3],
            protocol=values.protocol(protocol),
            observed_at=when,
            identity=_identity(fields, protocol, ends[1], when),
            authority=authority,
            details=values.details({**_details(fields), **note}),
        ),
    )
    _facts(fields, ends[2], batch, when)


def _with_ends(fields: Fields) -> Fields:
    """Return fields with each end by itself."""
    both = [name for name in _BOTH if name in fields and fields.keys().isdisjoint(_BOTH[name])]
    if not both:
        return fields
    found = dict(fields)
    for name in both:
        source, target = _BOTH[name]
        found[source], found[target] = fields[name][::2], fields[name][1::2]
    return found


def _time(fields: Fields) -> float | None:
    """Return when a packet was captured, in epoch seconds."""
    written = _first(fields, *TIMES)
    if "frame_time_epoch" not in fields and written is not None and (found := _DATE.fullmatch(written.strip())):
        second = local_time(" ".join(found.group(1, 2, 3, 4)), "%b %d %Y %H:%M:%S", found[6] or "")
        return None if second is None else second + float(found[5] or 0)
    return values.timestamp(_first(fields, "frame_time_epoch") or written)


def _first(fields: Fields, *wanted: str) -> str | None:
    return next((fields[name][0] for name in wanted if fields.get(name)), None)


def _transport(fields: Fields) -> tuple[str | int, tuple[str | None, str | None]]:
    """Return the protocol of the outermost IP header, and its ports; inner headers are other connections' or errors."""
    number = _first(fields, "ip_proto", "ipv6_nxt")
    if number is None:
        icmp = next((name for field, name in _ICMP.items() if field in fields), None)
        carried = [each for each in _TRANSPORTS.values() if f"{each}_dstport" in fields or f"{each}_srcport" in fields]
        layers = max(len(fields.get(f"{family}_{end}", ())) for family in ("ip", "ipv6") for end in ("src", "dst"))
        if icmp or not carried or layers > 1:
            return icmp or "ip", (None, None)
        name: str | int = carried[0]
    elif number.isascii() and number.isdigit() and len(number) <= _DIGITS:
        name = _TRANSPORTS.get(int(number), int(number))
    else:
        raise RefusedError(f"ip.proto is no protocol number: {number[:32]!r}")
    return name, (_first(fields, f"{name}_srcport"), _first(fields, f"{name}_dstport"))


def _direction(
    fields: Fields, protocol: str | int, source_port: int | None, target: tuple[str, int]
) -> tuple[bool, Authority, dict[str, str]]:
    """Return whether the packet goes back to the end that spoke first, how sure that is, and a note where it is not."""
    bits = _flags(fields) if protocol == "tcp" else 0
    if bits & _SYN:
        return bool(bits & _ACK), Authority.FLOW, {}
    address, port = target
    if source_port is None or not port:
        return False, Authority.PACKET, {}
    return values.is_from_server(source_port, port, address), Authority.PACKET, {"direction": BY_PORT}


def _flags(fields: Fields) -> int:
    """Return the flags of TCP as bits: SYN and ACK at least; tshark prints them as a number, one by one, and as letters."""
    if flags := _first(fields, "tcp_flags"):
        try:
            return int(flags, 0)
        except ValueError:
            return 0
    # The last letters are APRSF; before ECN's there is another A.
    letters = (_first(fields, "tcp_flags_str") or "").strip()[-5:]
    is_syn = letters[-2:-1] == "S" or _first(fields, "tcp_flags_syn") in _TRUE
    is_ack = letters[-5:-4] == "A" or _first(fields, "tcp_flags_ack") in _TRUE
    return _SYN * is_syn | _ACK * is_ack


def _identity(fields: Fields, protocol: str | int, source_port: int | None, when: float | None) -> str | None:
    """Return what the packets of one connection share beside its two ends: when it started, or the stream's number."""
    since = _first(fields, f"{protocol}_time_relative")
    if since is not None and when is not None:
        # Both have microseconds at least; the start is the same for all packets of a stream.
        return f"{protocol} {when - (values.timestamp(since) or 0):.3f}"
    day = int((when or 0) // _DAY)
    stream = _first(fields, f"{protocol}_stream")
    if stream is not None:
        return values.text(f"{protocol} stream {stream[:16]} {day}")
    return f"{protocol} {day}" if source_port else None


def _details(fields: Fields) -> dict[str, Any]:
    return {
        name: found[0][:_LONGEST] if len(found) == 1 else [each[:_LONGEST] for each in found[:16]]
        for name, found in fields.items()
        if name.startswith(_KEPT) and found and not values.is_secret(name)
    }


def _facts(fields: Fields, server: str, batch: Batch, when: float | None) -> None:
    batch.name(server, _first(fields, _SNI), "tshark", when)
    url = _first(fields, "http_request_uri", "http_request_full_uri") if "http_request_uri" in fields else None
    if names.is_own_request(url):
        batch.name(server, names.without_port(_first(fields, "http_host")), "tshark", when)
    question = _first(fields, "dns_qry_name")
    found = [*fields.get("dns_a", ()), *fields.get("dns_aaaa", ())]
    if question and found:
        names.answers(batch, question, found, when)
