"""L2TP: the request to start a control connection, and the reply that names host and vendor (RFC 2661 6.1, 6.2)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol, Send, Steps, Target
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_CONTROL: Final = b"\xc8\x02"
"""Flags of a control message, which has length and numbers, and the version."""

_HEAD, _AVP_HEAD = 12, 6
_MESSAGE_TYPE, _FIRMWARE, _HOST, _VENDOR, _TUNNEL = 0, 6, 7, 8, 9
_REPLY: Final = b"\x00\x02"
_OUR_TUNNEL: Final = b"\xc0\xba"
_MOST_AVPS: Final = 20
_LENGTH_BITS: Final = 0x3FF
_MANDATORY: Final = 0x8000

_PRODUCTS: Final = (
    ("xl2tpd", re.compile(rb"^xelerance\.com$")),
    ("RouterOS", re.compile(rb"^MikroTik")),
    ("accel-ppp", re.compile(rb"^accel-ppp")),
)
"""Products by the vendor they name."""


def _avp(kind: int, value: bytes) -> bytes:
    return (_MANDATORY | _AVP_HEAD + len(value)).to_bytes(2, "big") + b"\x00\x00" + kind.to_bytes(2, "big") + value


def _message(tunnel: bytes, numbers: bytes, *avps: bytes) -> bytes:
    body = b"".join(avps)
    return _CONTROL + (_HEAD + len(body)).to_bytes(2, "big") + tunnel + b"\x00\x00" + numbers + body


_REQUEST: Final = _message(
    b"\x00\x00",
    bytes(4),
    _avp(_MESSAGE_TYPE, b"\x00\x01"),
    _avp(2, b"\x01\x00"),
    _avp(3, b"\x00\x00\x00\x03"),
    _avp(_HOST, b"cobalt"),
    _avp(_TUNNEL, _OUR_TUNNEL),
    _avp(10, b"\x00\x04"),
)


def _avps(raw: bytes) -> dict[int, bytes]:
    """Return the values of a message by their kind; of a broken one as far as they go."""
    found: dict[int, bytes] = {}
    at = _HEAD
    while at + _AVP_HEAD <= len(raw) and len(found) < _MOST_AVPS:
        length = int.from_bytes(raw[at : at + 2], "big") & _LENGTH_BITS
        if length < _AVP_HEAD:
            break
        found.setdefault(int.from_bytes(raw[at + 4 : at + 6], "big"), raw[at + _AVP_HEAD : at + length])
        at += length
    return found


def recognise(raw: bytes) -> Fingerprint | None:
    """A reply to our request; the firmware's number is the vendor's own."""
    if raw[:2] != _CONTROL or raw[4:6] != _OUR_TUNNEL:
        return None
    avps = _avps(raw)
    if avps.get(_MESSAGE_TYPE) != _REPLY:
        return Fingerprint("l2tp") if _MESSAGE_TYPE in avps else None
    vendor = avps.get(_VENDOR, b"").rstrip(b"\x00")
    firmware = avps.get(_FIRMWARE)
    extras = {
        "host": clean(avps.get(_HOST)),
        "vendor": clean(vendor),
        "firmware": firmware.hex() if firmware else None,
    }
    product = next((name for name, pattern in _PRODUCTS if pattern.search(vendor)), None)
    return Fingerprint(
        "l2tp", product, info=clean(vendor), extras={name: value for name, value in extras.items() if value}
    )


def ask_more(_: Target, raw: bytes, __: Fingerprint) -> Steps[Fingerprint | None]:
    """End the connection that the server has started: it would wait for the rest (RFC 2661 6.4).

    raw: its answer.
    """
    tunnel = _avps(raw).get(_TUNNEL, b"")
    if len(tunnel) == len(_OUR_TUNNEL):
        stop = _message(
            tunnel,
            b"\x00\x01\x00\x01",
            _avp(_MESSAGE_TYPE, b"\x00\x04"),
            _avp(_TUNNEL, _OUR_TUNNEL),
            _avp(1, b"\x00\x01"),
        )
        yield Send(stop, wait=0)
    return None


PROTOCOL = Protocol(
    name="l2tp", recognise=recognise, udp_ports=(1701,), udp_words=lambda _: _REQUEST, ask_more=ask_more
)
