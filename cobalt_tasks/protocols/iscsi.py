"""iSCSI: a login to a discovery session, in which no target is named (RFC 7143 11.12, 11.13)."""

from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_KEYS: Final = b"InitiatorName=iqn.2001-04.com.example:probe\0SessionType=Discovery\0AuthMethod=None\0"
_SESSION: Final = bytes.fromhex("8000436f62610000")
"""The initiator's part of the session's number: at random (0x80), and no session yet."""

_TASK: Final = b"Cbt1"
_LOGIN: Final = (
    # Login, at once, over to the full phase of the session; versions 0 to 0.
    bytes((0x43, 0x87, 0, 0, 0))
    + len(_KEYS).to_bytes(3, "big")
    + _SESSION
    + _TASK
    # The connection's number, then those of command and status.
    + bytes.fromhex("000000000000000100000000")
    + bytes(16)
    + _KEYS
    + bytes(-len(_KEYS) % 4)
)
_HEAD: Final = 48
_ANSWER: Final = 0x23
_STATUS: Final = 36
_CLASSES: Final = (None, b"redirected", b"login refused", b"target error")
"""What came of the login, where it did not succeed, by the class of its status."""


def recognise(raw: bytes) -> Fingerprint | None:
    """A login response to our task, which names no program."""
    if len(raw) < _HEAD or raw[0] != _ANSWER or raw[2:5] != bytes(3) or raw[16:20] != _TASK:
        return None
    return Fingerprint("iscsi", info=clean(_CLASSES[raw[_STATUS]])) if raw[_STATUS] < len(_CLASSES) else None


PROTOCOL = Protocol(
    name="iscsi",
    recognise=recognise,
    ports=(3260, 860),
    words=lambda _: _LOGIN,
    is_complete=lambda raw: len(raw) >= _HEAD + int.from_bytes(raw[5:8], "big"),
)
