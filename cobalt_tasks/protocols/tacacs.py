"""TACACS+: the start of a login, unencrypted; the reply has our number of the session (RFC 8907 4, 5.1)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint

_SESSION: Final = b"Cblt"
_HEAD: Final = 12
_BODY: Final = bytes.fromhex("01 00 01 01 00 00 00 00")
"""Login, least privilege, ASCII, for a login; without user, port, remote address and data."""

_START: Final = b"\xc0\x01\x01\x01" + _SESSION + len(_BODY).to_bytes(4, "big") + _BODY
_REPLY: Final = re.compile(rb"[\xc0\xc1]\x01\x02[\x00-\x05]Cblt\x00\x00[\x00-\xff]{2}")


def recognise(raw: bytes) -> Fingerprint | None:
    """A reply to our session; what it holds is encrypted, or refuses us."""
    return Fingerprint("tacacs") if _REPLY.match(raw) else None


PROTOCOL = Protocol(
    name="tacacs",
    recognise=recognise,
    ports=(49,),
    words=lambda _: _START,
    is_complete=lambda raw: len(raw) >= _HEAD + int.from_bytes(raw[8:12], "big"),
    aliases=("tacacs+",),
)
