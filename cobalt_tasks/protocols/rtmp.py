"""RTMP: the handshake, in which a server sends its own 1,536 bytes and ours back (RTMP 1.0, 5.2)."""

from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint

_SIZE: Final = 1536
_VERSION: Final = b"\x03"
_OURS: Final = bytes(8) + (b"Cobalt" * _SIZE)[: _SIZE - 8]
_ALL: Final = 1 + 2 * _SIZE


def recognise(_: bytes) -> Fingerprint | None:
    """Return None: the first bytes could be anything."""


def recognise_reply(raw: bytes) -> Fingerprint | None:
    """The version, the server's part, and ours, which proves it."""
    if raw[:1] != _VERSION or raw[_ALL - _SIZE + 8 : _ALL][: len(_OURS) - 8] != _OURS[8:]:
        return None
    return Fingerprint("rtmp")


PROTOCOL = Protocol(
    name="rtmp",
    recognise=recognise,
    recognise_reply=recognise_reply,
    ports=(1935,),
    words=lambda _: _VERSION + _OURS,
    is_complete=lambda raw: len(raw) >= _ALL,
    evidence=lambda raw: raw[:9],
)
