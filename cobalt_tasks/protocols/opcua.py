"""OPC UA: the hello of its TCP transport, which is acknowledged with sizes (OPC 10000-6, 7.1)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol, Target
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_ANSWER: Final = re.compile(
    rb"(?:ACKF\x1c\x00\x00\x00[\x00-\xff]{20}|ERRF[\x10-\xff][\x00-\x0f]\x00\x00[\x00-\xff]{8})"
)
_SIZE: Final = (65536).to_bytes(4, "little")


def words(target: Target) -> bytes:
    """Return the hello: version 0, sizes of buffers, no bound for messages, the endpoint's address."""
    host = f"[{target.address}]" if ":" in target.address else target.address
    url = f"opc.tcp://{host}:{target.port}/".encode()
    body = bytes(4) + 2 * _SIZE + bytes(8) + len(url).to_bytes(4, "little") + url
    return b"HELF" + (8 + len(body)).to_bytes(4, "little") + body


def recognise(raw: bytes) -> Fingerprint | None:
    """The acknowledgement, or the error with its reason."""
    if not _ANSWER.match(raw):
        return None
    reason = raw[16 : 16 + int.from_bytes(raw[12:16], "little")] if raw.startswith(b"ERRF") else b""
    return Fingerprint("opc-ua", info=clean(reason))


PROTOCOL = Protocol(
    name="opc-ua",
    recognise=recognise,
    ports=(4840,),
    words=words,
    industrial=True,
    exclusive=True,
    aliases=("opcua-tcp",),
)
