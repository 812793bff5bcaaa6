"""TFTP: a read of a file that does not exist; the error comes from a port of its own (RFC 1350 4, 5)."""

from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_REQUEST: Final = b"\x00\x01cobalt-probe.invalid\x00octet\x00"
_ERROR: Final = b"\x00\x05\x00"
_CODES: Final = range(9)
_HEAD: Final = 4


def recognise(raw: bytes) -> Fingerprint | None:
    """An ERROR packet: its number, then text that ends with a zero."""
    if (
        not raw.startswith(_ERROR)
        or len(raw) <= _HEAD
        or raw[3] not in _CODES
        or raw.find(b"\0", _HEAD) != len(raw) - 1
    ):
        return None
    text = raw[_HEAD:-1]
    return Fingerprint("tftp", info=clean(text)) if text.isascii() and text.decode().isprintable() else None


PROTOCOL = Protocol(
    name="tftp",
    recognise=recognise,
    udp_ports=(69,),
    udp_words=lambda _: _REQUEST,
    answers_elsewhere=True,
    udp_likelihood=6,
)
