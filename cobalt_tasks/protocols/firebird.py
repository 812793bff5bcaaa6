"""Firebird and InterBase: which version of the protocol a server accepts (Firebird's protocol.h, op_connect)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint

_GENERIC, _ATTACH, _CONNECT = 1, 19, 1
_CONNECT_VERSION: Final = 3
_LAZY_SEND: Final = 5
_VERSIONS: Final = (10, 0x800B, 0x800D)
"""That of InterBase 6, and of Firebird 2.1 and 3."""


def _numbers(*values: int) -> bytes:
    return b"".join(value.to_bytes(4, "big") for value in values)


_HELLO: Final = (
    # Without the name of a database, and without a user.
    _numbers(_CONNECT, _ATTACH, _CONNECT_VERSION, _GENERIC, 0, len(_VERSIONS), 0)
    + b"".join(_numbers(version, _GENERIC, 0, _LAZY_SEND, 2 + place) for place, version in enumerate(_VERSIONS))
)

_ACCEPTED: Final = re.compile(
    rb"\x00\x00\x00[\x03\x5e\x62](?:\x00\x00\x00[\x08-\x0a]|(\xff\xff\x80[\x0b-\x1f]))\x00\x00\x00[\x01-\x40]\x00\x00\x00",
    re.DOTALL,
)
_ASKED: Final = b"\x00\x00\x00\x5c" + bytes(16)
"""What Firebird 3 and later answer to a client that names no user: go on, without data, plugin and key."""

_REFUSED: Final = b"\x00\x00\x00\x04"


def recognise(raw: bytes) -> Fingerprint | None:
    """A server that accepts a version; those from 11 on are Firebird's own."""
    if raw == _ASKED:
        return Fingerprint("firebird", "Firebird", cpe="firebirdsql:firebird")
    found = _ACCEPTED.match(raw)
    if not found:
        return None
    return Fingerprint("firebird", "Firebird", cpe="firebirdsql:firebird") if found[1] else Fingerprint("firebird")


def recognise_reply(raw: bytes) -> Fingerprint | None:
    """A refusal too, of four bytes."""
    return Fingerprint("firebird") if raw == _REFUSED else None


PROTOCOL = Protocol(
    name="firebird",
    recognise=recognise,
    recognise_reply=recognise_reply,
    ports=(3050,),
    words=lambda _: _HELLO,
)
