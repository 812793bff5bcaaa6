"""An invented protocol: a line is answered by the name and version of the program, and a list of things."""

import re

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_ANSWER = re.compile(rb"Inventory server ([\w.]{1,20})\r?\nItem\s+Number\b")


def recognise(raw: bytes) -> Fingerprint | None:
    """Return what an answer shows, None if it is not this protocol's."""
    found = _ANSWER.match(raw)
    return Fingerprint("inventory", "inventoryd", clean(found[1])) if found else None


PROTOCOL = Protocol(name="inventory", ports=(1979,), words=lambda _: b"\r\n", recognise=recognise, likelihood=90)
