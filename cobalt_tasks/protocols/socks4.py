"""SOCKS 4: a request for the address 0.0.0.1, which no proxy can grant (SOCKS: A protocol for TCP proxy, 1)."""

from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint

_REQUEST: Final = bytes.fromhex("0401 0050 00000001 00")
_ANSWERS: Final = {0x5A: "granted", 0x5B: "refused", 0x5C: "wants ident", 0x5D: "wants another user"}
_SIZE: Final = 8


def recognise(_: bytes) -> Fingerprint | None:
    """Eight bytes, most of them zero, need the question."""
    return None


def recognise_reply(raw: bytes) -> Fingerprint | None:
    """A reply: zero, then whether it was granted."""
    if len(raw) != _SIZE or raw[0] or raw[1] not in _ANSWERS:
        return None
    return Fingerprint("socks4", info=_ANSWERS[raw[1]])


PROTOCOL = Protocol(
    name="socks4",
    recognise=recognise,
    recognise_reply=recognise_reply,
    ports=(1080, 1081),
    words=lambda _: _REQUEST,
    is_complete=lambda raw: len(raw) >= _SIZE,
)
