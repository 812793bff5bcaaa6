"""AMQP 0-9-1: Connection.Start, in which the broker describes itself (AMQP 0-9-1, 4.2.2 and 1.4.2.1)."""

import re

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
_HEADER = re.compile(rb"AMQP(?![\x00\x02\x03]\x01\x00\x00)[\x00-\x03]([\x00-\x09])([\x00-\x09])([\x00-\x09])")
_START = re.compile(rb"\x01\x00\x00.{4}\x00\x0a\x00\x0a([\x00-\x09])([\x00-\x09])", re.DOTALL)
_FRAME = 8


def recognise(raw: bytes) -> Fingerprint | None:
    """Connection.Start, or the header of the version a server knows, where the client sent another."""
    if header := _HEADER.match(raw):
        return Fingerprint("amqp", info=f"AMQP {header[1][0]}.{header[2][0]}.{header[3][0]}")
    start = _START.match(raw)
    if not start:
        return None
    product, version = (_property(raw, name) for name in (b"product", b"version"))
    return Fingerprint("amqp", product, version, info=f"AMQP {start[1][0]}.{start[2][0]}")


def is_complete(raw: bytes) -> bool:
    """Return whether a frame is whole, or a header in its place."""
    return len(raw) >= _FRAME and (raw.startswith(b"AMQP") or len(raw) >= _FRAME + int.from_bytes(raw[3:7], "big"))


def _property(raw: bytes, name: bytes) -> str | None:
    """Return a long string of the server's properties."""
    at = raw.find(bytes((len(name),)) + name + b"S")
    if at < 0:
        return None
    at += len(name) + 2
    length = int.from_bytes(raw[at : at + 4], "big")
    return clean(raw[at + 4 : at + 4 + min(length, 120)])


PROTOCOL = Protocol(
    name="amqp",
    recognise=recognise,
    ports=(5672,),
    tls_ports=(5671,),
    name_in_tls="amqps",
    words=lambda _: _PROTOCOL_HEADER,
    is_complete=is_complete,
    likelihood=20,
    rejects_http=True,
)
