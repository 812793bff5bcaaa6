"""NRPE: its own check, which runs nothing and answers with the version (nrpe, common.h)."""

import re
import struct
import zlib
from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_PACKET: Final = struct.Struct(">HHIH1024s2s")
_VERSION_2, _QUERY, _RESPONSE = 2, 1, 2
_CHECK: Final = b"_NRPE_CHECK"
_TEXT: Final = re.compile(rb"NRPE v([0-9][\w.-]{0,20})")
_TEXT_AT: Final = 10


def _question() -> bytes:
    unsigned = _PACKET.pack(_VERSION_2, _QUERY, 0, 0, _CHECK, b"")
    return _PACKET.pack(_VERSION_2, _QUERY, zlib.crc32(unsigned), 0, _CHECK, b"")


_QUESTION: Final = _question()


def recognise(raw: bytes) -> Fingerprint | None:
    """A response packet: its text names the version."""
    if raw[:4] != struct.pack(">HH", _VERSION_2, _RESPONSE):
        return None
    found = _TEXT.match(raw, _TEXT_AT)
    return Fingerprint("nrpe", "NRPE", clean(found[1]), cpe="nagios:remote_plug_in_executor") if found else None


PROTOCOL = Protocol(
    name="nrpe",
    recognise=recognise,
    ports=(5666,),
    tls_ports=(5666,),
    name_in_tls="nrpe",
    words=lambda _: _QUESTION,
    is_complete=lambda raw: len(raw) >= _PACKET.size,
)
