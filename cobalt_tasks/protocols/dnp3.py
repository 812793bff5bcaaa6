"""DNP3: requests for the status of the link, which no device acts on (IEEE 1815, 9.2)."""

import struct
from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint

_START: Final = b"\x05\x64"
_REQUEST_STATUS: Final = 0xC9
_STATUSES: Final = frozenset({0x00, 0x01, 0x0B, 0x0F})
"""Function codes of a secondary station: acknowledged, not acknowledged, status, not supported."""

_ADDRESSES: Final = range(11)
"""Those of devices as they are usually set; a device answers to its own alone."""

_POLYNOMIAL: Final = 0xA6BC
_HEAD: Final = 8
_DIRECTION_AND_PRIMARY: Final = 0xC0


def _checksum(data: bytes) -> bytes:
    """Return CRC-16/DNP of a block (IEEE 1815, annex E)."""
    value = 0
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
    return (value ^ 0xFFFF).to_bytes(2, "little")


def _request(address: int) -> bytes:
    head = _START + struct.pack("<BBHH", 5, _REQUEST_STATUS, address, 0)
    return head + _checksum(head)


_QUESTION: Final = b"".join(_request(address) for address in _ADDRESSES)


def recognise(raw: bytes) -> Fingerprint | None:
    """A frame of a secondary station whose checksum is right."""
    head = raw[:_HEAD]
    if not head.startswith(_START) or raw[_HEAD : _HEAD + 2] != _checksum(head):
        return None
    if head[3] & _DIRECTION_AND_PRIMARY or head[3] & 0x0F not in _STATUSES:
        return None
    source = int.from_bytes(head[6:8], "little")
    return Fingerprint("dnp3", info=f"address {source}", device="controller", extras={"address": str(source)})


PROTOCOL = Protocol(
    name="dnp3",
    recognise=recognise,
    ports=(20000,),
    udp_ports=(20000,),
    words=lambda _: _QUESTION,
    udp_words=lambda _: _QUESTION,
    exclusive=True,
    industrial=True,
)
