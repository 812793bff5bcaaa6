"""The protocol Finger (RFC 1288): an empty line is answered by a list of the users who are logged in."""

import re

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_ANSWER = re.compile(rb"(?:Finger server ([\w.]{1,20})\r?\n)?Login\s+Name\b")


def recognise(raw: bytes) -> Fingerprint | None:
    """Return what an answer shows, None if it is not Finger's."""
    found = _ANSWER.match(raw)
    return Fingerprint("finger", "fingerd", clean(found[1])) if found else None


PROTOCOL = Protocol(name="finger", ports=(79,), words=lambda _: b"\r\n", recognise=recognise, likelihood=90)
