"""QUIC: a packet of a version that does not exist, answered by those that do (RFC 9000 6, RFC 8999 6)."""

from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint

_OURS, _THEIRS = b"CobaltQC", b"CobaltQS"
_RESERVED: Final = bytes.fromhex("1a2a3a4a")
_LEAST: Final = 1200
"""A server ignores less, so that no answer is larger than its question."""

_HEADER: Final = b"\xc0" + _RESERVED + b"\x08" + _THEIRS + b"\x08" + _OURS
_ANSWER: Final = bytes(4) + b"\x08" + _OURS + b"\x08" + _THEIRS
_NAMES: Final = {1: "1", 0x6B3343CF: "2"}
_DRAFT: Final = 0xFF000000
_MOST: Final = 20


def recognise(raw: bytes) -> Fingerprint | None:
    """A Version Negotiation packet that returns both connection ids; its list has greased versions as well."""
    if not raw or not raw[0] & 0x80 or raw[1 : 1 + len(_ANSWER)] != _ANSWER:
        return None
    rest = raw[1 + len(_ANSWER) :][: 4 * _MOST]
    versions = [int.from_bytes(rest[at : at + 4], "big") for at in range(0, len(rest) - 3, 4)]
    names = [name for each in versions if (name := _NAMES.get(each) or _draft(each))]
    return Fingerprint("quic", info=f"versions {', '.join(names)}" if names else None)


def _draft(version: int) -> str | None:
    return f"draft-{version & 0xFF}" if version >> 8 == _DRAFT >> 8 else None


PROTOCOL = Protocol(
    name="quic",
    recognise=recognise,
    udp_ports=(443, 784, 853, 8443),
    udp_words=lambda _: _HEADER.ljust(_LEAST, b"\0"),
    aliases=("http3", "h3"),
)
