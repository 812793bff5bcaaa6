"""RADIUS: an Access-Request without a user, refused by a server that knows this client (RFC 2865 3, 4)."""

from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint

_NUMBER: Final = 0xC0
_REQUEST: Final = bytes((1, _NUMBER, 0, 20)) + b"Cobalt-probe-128"
_ANSWERS: Final = {2: "accepts", 3: "rejects", 11: "challenges"}
_HEAD: Final = 20


def recognise(_: bytes) -> Fingerprint | None:
    """Nothing in an answer distinguishes it from noise without its question."""
    return None


def recognise_reply(raw: bytes) -> Fingerprint | None:
    """A packet with our number whose length is right. A server that does not know this client is silent."""
    if len(raw) < _HEAD or raw[0] not in _ANSWERS or raw[1] != _NUMBER or int.from_bytes(raw[2:4], "big") != len(raw):
        return None
    return Fingerprint("radius", info=f"{_ANSWERS[raw[0]]} a request without a user")


PROTOCOL = Protocol(
    name="radius",
    recognise=recognise,
    recognise_reply=recognise_reply,
    udp_ports=(1812, 1645),
    udp_words=lambda _: _REQUEST,
)
