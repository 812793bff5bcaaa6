"""gpsd: the greeting, an object of JSON with its release (gpsd_json(5), VERSION)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_GREETING: Final = re.compile(rb'\{"class":"VERSION","release":"([0-9][\w.~-]{0,30})"')


def recognise(raw: bytes) -> Fingerprint | None:
    """The release is the program's; the protocol's version stands beside it."""
    found = _GREETING.match(raw)
    return Fingerprint("gpsd", "gpsd", clean(found[1]), cpe="gpsd_project:gpsd") if found else None


PROTOCOL = Protocol(name="gpsd", recognise=recognise, ports=(2947,), greets=True)
