"""Gearman: the administration command `version` (gearman.org/protocol, Administrative Protocol)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_VERSION: Final = re.compile(rb"OK ([0-9]{1,3}\.[0-9]{1,3}(?:\.[0-9]{1,3})?)[^\r\n]{0,20}\n\Z")
_ERROR: Final = re.compile(rb"ERR UNKNOWN_COMMAND Unknown\+server\+command")


def recognise(raw: bytes) -> Fingerprint | None:
    """The error that answers any other line."""
    return Fingerprint("gearman", "Gearman", cpe="gearman:gearmand") if _ERROR.match(raw) else None


def recognise_reply(raw: bytes) -> Fingerprint | None:
    """`OK` and the version, to the question for it."""
    found = _VERSION.match(raw)
    return Fingerprint("gearman", "Gearman", clean(found[1]), cpe="gearman:gearmand") if found else None


PROTOCOL = Protocol(
    name="gearman",
    recognise=recognise,
    recognise_reply=recognise_reply,
    ports=(4730,),
    words=lambda _: b"version\n",
    is_complete=lambda raw: raw.endswith(b"\n"),
)
