"""CoAP: an empty message that asks for a confirmation, which a server refuses by its number (RFC 7252 4.3)."""

from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint

_NUMBER: Final = b"\xc0\xba"
_PING: Final = b"\x40\x00" + _NUMBER
_PONG: Final = b"\x70\x00" + _NUMBER


def recognise(raw: bytes) -> Fingerprint | None:
    """A reset of our message, and nothing else in the datagram."""
    return Fingerprint("coap") if raw == _PONG else None


PROTOCOL = Protocol(name="coap", recognise=recognise, udp_ports=(5683,), udp_words=lambda _: _PING)
