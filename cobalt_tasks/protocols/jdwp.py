"""The Java debug wire protocol: the handshake, and the version of the machine (Java Debug Wire Protocol, VirtualMachine)."""

from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_HANDSHAKE: Final = b"JDWP-Handshake"
_COMMAND: Final = bytes.fromhex("0000000b 00000001 00 0101")
_REPLY: Final = bytes.fromhex("00000001 80 0000")
"""Number of our command, flags of a reply, no error."""

_HEAD: Final = 11
_NUMBERS: Final = 8
"""Bytes of the protocol's own version, between the description and the machine's version."""

_MOST_PACKETS: Final = 8


def recognise(raw: bytes) -> Fingerprint | None:
    """The handshake, which is the same in both directions, and the machine's version and name behind it."""
    if not raw.startswith(_HANDSHAKE):
        return None
    description, rest = _text(_reply(raw))
    version, rest = _text(rest[_NUMBERS:])
    name, _ = _text(rest)
    product = clean(name)
    return Fingerprint(
        "jdwp",
        "OpenJDK" if product and product.startswith("OpenJDK") else product,
        clean(version) if product else None,
        info=clean(description.partition(b"\n")[0]),
        cpe="oracle:openjdk" if product and product.startswith("OpenJDK") else None,
    )


def _reply(raw: bytes) -> bytes:
    """Return what the reply to our command holds, empty if it has not come; events of a machine that waits may stand before it."""
    at = len(_HANDSHAKE)
    for _ in range(_MOST_PACKETS):
        length = int.from_bytes(raw[at : at + 4], "big")
        if raw[at + 4 : at + _HEAD] == _REPLY:
            return raw[at + _HEAD : at + length]
        at += max(length, _HEAD)
    return b""


def _text(raw: bytes) -> tuple[bytes, bytes]:
    """Return the string at the start, and what follows it."""
    end = 4 + int.from_bytes(raw[:4], "big")
    return raw[4:end], raw[end:]


PROTOCOL = Protocol(
    name="jdwp",
    recognise=recognise,
    ports=(5005,),
    words=lambda _: _HANDSHAKE + _COMMAND,
    is_complete=lambda raw: bool(_reply(raw)),
    likelihood=50,
    rejects_http=True,
)
