"""Multicast DNS, asked as one host: which services it announces (RFC 6762 6.7, RFC 6763 9)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_NAME: Final = b"\x09_services\x07_dns-sd\x04_udp\x05local\x00"
_QUESTION: Final = bytes.fromhex("c0ba00000001000000000000") + _NAME + bytes.fromhex("000c0001")
_HEAD: Final = 12
_SERVICE: Final = re.compile(rb"[\x02-\x10](_[A-Za-z0-9-]{1,15})[\x04](_tcp|_udp)", re.DOTALL)
_MOST: Final = 30


def recognise(raw: bytes) -> Fingerprint | None:
    """An answer about the services of `local`; their kinds show what the host is."""
    if len(raw) < _HEAD or raw[2] & 0xF8 != 0x80 or _NAME not in raw[_HEAD : _HEAD + 2 * len(_NAME)]:  # noqa: PLR2004  # a response
        return None
    found = _SERVICE.findall(raw, _HEAD + len(_NAME))[:_MOST]
    kinds = sorted({b".".join(each).decode() for each in found} - {"_dns-sd._udp"})
    shown = clean(" ".join(kinds).encode())
    return Fingerprint("mdns", info=shown, extras={"services": shown} if shown else {})


PROTOCOL = Protocol(
    name="mdns",
    recognise=recognise,
    udp_ports=(5353,),
    udp_words=lambda _: _QUESTION,
    aliases=("zeroconf",),
)
