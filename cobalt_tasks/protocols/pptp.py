"""PPTP: the request to start a control connection, and the reply that names host and vendor (RFC 2637 2.1, 2.2)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean
from cobalt_tasks.protocols.products import system_of

_LENGTH: Final = 156
_COOKIE: Final = bytes.fromhex("1a2b3c4d")
_REQUEST: Final = (
    _LENGTH.to_bytes(2, "big")
    + b"\x00\x01"
    + _COOKIE
    + bytes.fromhex("00010000 01000000 00000003 00000003 0000 0000")
    + b"cobalt".ljust(64, b"\x00")
    + b"cobalt".ljust(64, b"\x00")
)
_REPLY: Final = re.compile(
    rb"\x00\x9c\x00\x01\x1a\x2b\x3c\x4d\x00\x02[\x00-\xff]{16}([\x00-\xff]{2})([\x00-\xff]{64})([\x00-\xff]{64})"
)
_PRODUCTS: Final = {b"MikroTik": "RouterOS", b"accel-pppd": "accel-ppp", b"accel-pptp": "accel-pptp"}
"""Products by the vendor they name; most name only what they run on."""


def recognise(raw: bytes) -> Fingerprint | None:
    """The vendor is a system more often than a product; the firmware's number is the vendor's own."""
    found = _REPLY.match(raw)
    if not found:
        return None
    host, vendor = (found[field].split(b"\x00", 1)[0] for field in (2, 3))
    firmware = int.from_bytes(found[1], "big")
    extras = {"host": clean(host), "vendor": clean(vendor), "firmware": str(firmware) if firmware else None}
    return Fingerprint(
        "pptp",
        _PRODUCTS.get(vendor),
        info=clean(vendor),
        os=system_of(vendor),
        extras={name: value for name, value in extras.items() if value},
    )


PROTOCOL = Protocol(
    name="pptp",
    recognise=recognise,
    ports=(1723,),
    words=lambda _: _REQUEST,
    is_complete=lambda raw: len(raw) >= _LENGTH,
)
