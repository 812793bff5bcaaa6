"""STUN and TURN: a Binding request, then an Allocate request, which only TURN servers know (RFC 8489, RFC 8656)."""

import re
from collections.abc import Iterator
from typing import Final

from cobalt_tasks.protocols.base import Protocol, Send, Steps, Target
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_COOKIE: Final = bytes.fromhex("2112a442")
_TRANSACTION: Final = _COOKIE + b"Cobalt-probe"
_BINDING: Final = bytes.fromhex("00010000") + _TRANSACTION
_ALLOCATE: Final = bytes.fromhex("00030008") + _TRANSACTION + bytes.fromhex("0019000411000000")
"""With REQUESTED-TRANSPORT UDP, and without the credentials it needs: nothing is allocated."""

_HEAD: Final = 20
_ANSWERS: Final = frozenset({0x0101, 0x0111, 0x0103, 0x0113})
_ALLOCATE_ANSWERS: Final = frozenset({b"\x01\x03", b"\x01\x13"})
_ERROR_CODE, _REALM, _SOFTWARE = 0x0009, 0x0014, 0x8022
_UNAUTHORISED: Final = b"\x04\x01"
_COTURN: Final = re.compile(rb"Coturn-([0-9][\w.]{0,20})")
_PRODUCT: Final = re.compile(rb"([A-Za-z][\w .]{0,60}?)[-/ ]v?([0-9][\w.]{0,20})")


def recognise(raw: bytes) -> Fingerprint | None:
    """A whole answer with the magic cookie; SOFTWARE names the program."""
    if len(raw) < _HEAD or raw[4:8] != _COOKIE or int.from_bytes(raw[:2], "big") not in _ANSWERS:
        return None
    length = int.from_bytes(raw[2:4], "big")
    if length % 4 or len(raw) < _HEAD + length:
        return None
    attributes = dict(_attributes(raw[_HEAD : _HEAD + length]))
    software = attributes.get(_SOFTWARE, b"").rstrip(b"\0")
    realm = clean(attributes.get(_REALM))
    is_turn = raw[:2] in _ALLOCATE_ANSWERS and attributes.get(_ERROR_CODE, _UNAUTHORISED)[2:4] == _UNAUTHORISED
    extras = {name: value for name, value in (("software", clean(software)), ("realm", realm)) if value}
    service = "turn" if is_turn else "stun"
    if coturn := _COTURN.match(software):
        return Fingerprint(service, "coturn", clean(coturn[1]), cpe="coturn_project:coturn", extras=extras)
    found = _PRODUCT.match(software)
    return Fingerprint(service, clean(found[1]) if found else None, clean(found[2]) if found else None, extras=extras)


def ask_more(_: Target, __: bytes, known: Fingerprint) -> Steps[Fingerprint | None]:
    """Ask for a relayed address: a TURN server wants to know who asks, others do not know the request."""
    reply = yield Send(_ALLOCATE, is_complete=is_complete)
    turn = recognise(reply.data)
    if turn is None or turn.service != "turn":
        return None
    extras = {**known.extras, **turn.extras, "turn": "true"}
    return Fingerprint("stun", known.product, known.version, cpe=known.cpe, info="TURN", extras=extras)


def _attributes(body: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(body):
        kind, length = int.from_bytes(body[at : at + 2], "big"), int.from_bytes(body[at + 2 : at + 4], "big")
        yield kind, body[at + 4 : at + 4 + length]
        at += 4 + length + -length % 4


def is_complete(raw: bytes) -> bool:
    """Return whether the message has the length it announces."""
    return len(raw) >= _HEAD and len(raw) >= _HEAD + int.from_bytes(raw[2:4], "big")


PROTOCOL = Protocol(
    name="stun",
    recognise=recognise,
    name_in_tls="stuns",
    ports=(3478,),
    tls_ports=(5349,),
    udp_ports=(3478, 3479, 19302),
    words=lambda _: _BINDING,
    udp_words=lambda _: _BINDING,
    is_complete=is_complete,
    ask_more=ask_more,
    likelihood=9,
    udp_likelihood=3,
    rejects_http=True,
    aliases=("turn",),
)
