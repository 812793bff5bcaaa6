"""ZMTP, which ZeroMQ's libraries speak: the signature with which both sides start, version and mechanism (RFC 23/ZMTP)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol, Send, Steps, Target
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_SIGNATURE: Final = re.compile(rb"\xff[\x00-\xff]{8}\x7f")
_PLAIN: Final = re.compile(rb"\xff\x00{7}[\x00\x01]\x7f")
_GREETING: Final = 64
_OURS: Final = b"\xff" + bytes(7) + b"\x01\x7f\x03\x00" + b"NULL".ljust(20, b"\x00") + bytes(32)
_VERSIONED: Final = re.compile(rb"\xff\x00{7}[\x00\x01]\x7f(\x03)([\x00-\x09])([A-Z]{1,20})\x00")


def recognise(raw: bytes) -> Fingerprint | None:
    """The signature alone, or the whole greeting; libraries do not name themselves."""
    if not _PLAIN.match(raw):
        return None
    found = _VERSIONED.match(raw)
    if not found:
        return Fingerprint("zmtp")
    spoken, mechanism = f"ZMTP {found[1][0]}.{found[2][0]}", clean(found[3])
    return Fingerprint("zmtp", info=spoken, extras={"mechanism": mechanism} if mechanism else {})


def ask_more(_: Target, raw: bytes, known: Fingerprint) -> Steps[Fingerprint | None]:
    """Greet too: the server's version and mechanism follow.

    raw: its answer; known: what that showed.
    """
    reply = yield Send(_OURS, is_complete=lambda data: len(raw + data) >= _GREETING)
    return recognise(raw + reply.data) or known


PROTOCOL = Protocol(name="zmtp", recognise=recognise, greets=True, ask_more=ask_more)
