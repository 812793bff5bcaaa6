"""CoAP: an empty message that asks for a confirmation, which a server refuses by its number (RFC 7252 4.3)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint

_NUMBER: Final = b"\xc0\xba"
_PING: Final = b"\x40\x00" + _NUMBER
_PONG: Final = b"\x70\x00" + _NUMBER
_ANSWER: Final = re.compile(rb"\x60[\x40-\xa5]\xc0\xba(?:\Z|[\x10-\xff])")
"""An acknowledgement by our number, with a code of an answer (RFC 7252 12.1.2), and options or the mark of a payload."""


def recognise(raw: bytes) -> Fingerprint | None:
    """A reset of our message, and nothing else in the datagram; or an answer to it, which some send to an empty message."""
    return Fingerprint("coap") if raw == _PONG or _ANSWER.match(raw) else None


PROTOCOL = Protocol(name="coap", recognise=recognise, udp_ports=(5683,), udp_words=lambda _: _PING)
