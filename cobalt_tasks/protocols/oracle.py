"""Oracle's listener: a TNS connect that asks for the version; the refusal has it (Oracle Net, COMMAND=VERSION)."""

import re
import struct
from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint

_DATA: Final = b"(CONNECT_DATA=(COMMAND=version))"
_HEAD: Final = 58
_ACCEPT, _REFUSE, _REDIRECT = 2, 4, 5
_NUMBER: Final = re.compile(rb"\(VSNNUM=([0-9]{1,10})\)")
_MARK: Final = re.compile(rb"\((?:DESCRIPTION|TMP|VSNNUM|ERR|ERROR_STACK|ADDRESS)=")
_EIGHTEEN: Final = 18


def _connect() -> bytes:
    """Return a CONNECT packet of version 314, compatible with 300, whose data follow its 58 bytes."""
    body = struct.pack(">HHHHHHHHHHIBB", 314, 300, 0, 2048, 32767, 0x4F98, 0, 1, len(_DATA), _HEAD, 2048, 0, 0)
    packet = body.ljust(_HEAD - 8, b"\0") + _DATA
    return struct.pack(">HHBBH", len(packet) + 8, 0, 1, 0, 0) + packet


_CONNECT: Final = _connect()


def recognise(raw: bytes) -> Fingerprint | None:
    """A packet of the listener, whose length is right, with text of Oracle Net."""
    if len(raw) < 12 or raw[2:4] != b"\0\0" or raw[4] not in {_ACCEPT, _REFUSE, _REDIRECT}:  # noqa: PLR2004
        return None
    if int.from_bytes(raw[:2], "big") > len(raw) or not _MARK.search(raw):
        return None
    number = _NUMBER.search(raw)
    version = _version(int(number[1])) if number and int(number[1]) else None
    return Fingerprint("oracle-tns", "Oracle TNS listener", version, cpe="oracle:database_server")


def _version(number: int) -> str:
    """Return the version that VSNNUM holds; from 18c on its parts have other widths."""
    major = number >> 24
    if major >= _EIGHTEEN:
        parts = (major, number >> 16 & 0xFF, number >> 12 & 0xF, number >> 4 & 0xFF, number & 0xF)
    else:
        parts = (major, number >> 20 & 0xF, number >> 12 & 0xFF, number >> 8 & 0xF, number & 0xFF)
    return ".".join(str(part) for part in parts)


PROTOCOL = Protocol(
    name="oracle-tns",
    recognise=recognise,
    ports=(1521, 1522, 1525),
    tls_ports=(2484,),
    words=lambda _: _CONNECT,
    aliases=("oracle",),
)
