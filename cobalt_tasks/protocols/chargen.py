"""Chargen: the printable characters in their order, over and over (RFC 864)."""

from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint

_FIRST, _LAST = 0x20, 0x7E
_LINE: Final = 72
_RING: Final = bytes(range(_FIRST, _LAST + 1)) * 2
_RING_WITHOUT_BLANK: Final = bytes(range(_FIRST + 1, _LAST + 1)) * 2


def recognise(raw: bytes) -> Fingerprint | None:
    """A first line of 72 characters that follow each other. Over UDP it is not asked: it sends more than it gets."""
    line = raw[:_LINE]
    is_ring = len(line) == _LINE and (line in _RING or line in _RING_WITHOUT_BLANK)
    return Fingerprint("chargen") if is_ring else None


PROTOCOL = Protocol(name="chargen", recognise=recognise, ports=(19,), greets=True)
