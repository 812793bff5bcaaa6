"""Kerberos: a request for a ticket of a realm that does not exist; the refusal names the server's own (RFC 4120 5.4, 5.9)."""

from typing import Final

from cobalt_tasks.protocols import ber
from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_APPLICATION_REQUEST, _APPLICATION_ERROR, _REPLY = 0x6A, 0x7E, 0x6B
_FIELD: Final = 0xA0
_TEXT, _TIME = 0x1B, 0x18
_REALM: Final = b"COBALT.INVALID"
_PREFIX: Final = 4
_VERSION, _ERROR = b"\x05", b"\x1e"
_MESSAGES: Final = {"CLIENT_NOT_FOUND": "MIT Kerberos", "WRONG_REALM": "MIT Kerberos"}
"""Texts of the error that are one product's own."""


def _field(number: int, *contents: bytes) -> bytes:
    return ber.encode(_FIELD | number, *contents)


def _name(kind: int, *parts: bytes) -> bytes:
    texts = ber.encode(ber.SEQUENCE, *(ber.encode(_TEXT, part) for part in parts))
    return ber.encode(ber.SEQUENCE, _field(0, ber.integer(kind)), _field(1, texts))


def _request() -> bytes:
    """Return an AS-REQ for the client `cobalt`."""
    body = ber.encode(
        ber.SEQUENCE,
        _field(0, ber.encode(0x03, bytes(5))),
        _field(1, _name(1, b"cobalt")),
        _field(2, ber.encode(_TEXT, _REALM)),
        _field(3, _name(2, b"krbtgt", _REALM)),
        _field(5, ber.encode(_TIME, b"20370913024805Z")),
        _field(7, ber.integer(0x2A53)),
        _field(8, ber.encode(ber.SEQUENCE, ber.integer(18), ber.integer(17), ber.integer(23))),
    )
    message = (_field(1, ber.integer(5)), _field(2, ber.integer(10)), _field(4, body))
    return ber.encode(_APPLICATION_REQUEST, ber.encode(ber.SEQUENCE, *message))


_QUESTION: Final = _request()


def recognise(raw: bytes) -> Fingerprint | None:
    """A KRB-ERROR: the realm, the server's clock, and for some products their own text."""
    if raw[:1] == b"\x00" and int.from_bytes(raw[:_PREFIX], "big") == len(raw) - _PREFIX:
        raw = raw[_PREFIX:]
    body = ber.first(ber.first(raw, _APPLICATION_ERROR) or b"", ber.SEQUENCE)
    fields = {tag & ~_FIELD: contents for tag, contents in ber.elements(body or b"", most=16) if tag & _FIELD == _FIELD}
    if ber.first(fields.get(0, b""), ber.INTEGER) != _VERSION or ber.first(fields.get(1, b""), ber.INTEGER) != _ERROR:
        return None
    text = clean(ber.first(fields.get(11, b""), _TEXT))
    extras = {
        "realm": clean(ber.first(fields.get(9, b""), _TEXT)),
        "time": clean(ber.first(fields.get(4, b""), _TIME)),
        "text": text,
    }
    shown = {name: value for name, value in extras.items() if value and value != _REALM.decode()}
    product = _MESSAGES.get(text or "")
    return Fingerprint(
        "kerberos", product, info=shown.get("realm"), cpe="mit:kerberos_5" if product else None, extras=shown
    )


def is_complete(raw: bytes) -> bool:
    """Return whether the message has the length it announces, over TCP."""
    return len(raw) > _PREFIX and len(raw) >= _PREFIX + int.from_bytes(raw[:_PREFIX], "big")


PROTOCOL = Protocol(
    name="kerberos",
    recognise=recognise,
    ports=(88,),
    udp_ports=(88,),
    words=lambda _: len(_QUESTION).to_bytes(_PREFIX, "big") + _QUESTION,
    udp_words=lambda _: _QUESTION,
    aliases=("kerberos-sec",),
)
