"""Network UPS Tools: the command VER (RFC 9271 4.2.9)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_VERSION: Final = re.compile(rb"Network UPS Tools upsd ([0-9][\w.-]{0,30})")
_ERROR: Final = re.compile(rb"(?:ERR (?:UNKNOWN-COMMAND|INVALID-ARGUMENT)\n){1,20}\Z")


def recognise(raw: bytes) -> Fingerprint | None:
    """Its name and version; or its error, once for each line it does not know."""
    if _ERROR.match(raw):
        return Fingerprint("nut", "Network UPS Tools upsd", cpe="networkupstools:nut")
    found = _VERSION.match(raw)
    return Fingerprint("nut", "Network UPS Tools upsd", clean(found[1]), cpe="networkupstools:nut") if found else None


PROTOCOL = Protocol(
    name="nut",
    recognise=recognise,
    ports=(3493,),
    words=lambda _: b"VER\n",
    is_complete=lambda raw: raw.endswith(b"\n"),
    aliases=("upsd",),
)
