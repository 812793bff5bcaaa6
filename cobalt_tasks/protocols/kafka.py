"""Kafka: ApiVersions, which needs no login (Kafka protocol guide, ApiVersions, version 0)."""

from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint

_CORRELATION: Final = b"\x2a\x53\xc0\xba"
_CLIENT: Final = b"cobalt"
_BODY: Final = bytes.fromhex("0012 0000") + _CORRELATION + len(_CLIENT).to_bytes(2, "big") + _CLIENT
_REQUEST: Final = len(_BODY).to_bytes(4, "big") + _BODY
_HEAD: Final = 14
_ROW: Final = 6
_MOST_KEYS: Final = 200


def recognise(raw: bytes) -> Fingerprint | None:
    """An answer with our number: no error, and as many rows as its length allows."""
    if len(raw) < _HEAD or raw[4:8] != _CORRELATION or raw[8:10] != b"\0\0":
        return None
    count = int.from_bytes(raw[10:14], "big")
    if not 0 < count <= _MOST_KEYS or int.from_bytes(raw[:4], "big") != _HEAD - 4 + _ROW * count:
        return None
    return Fingerprint("kafka", info=f"{count} kinds of request")


PROTOCOL = Protocol(
    name="kafka",
    recognise=recognise,
    ports=(9092,),
    tls_ports=(9093,),
    words=lambda _: _REQUEST,
    is_complete=lambda raw: len(raw) >= 4 + int.from_bytes(raw[:4], "big") > 4,  # noqa: PLR2004  # bytes of the length
)
