"""CVS: the password server's refusal of what is no login (Version Management with CVS, the pserver protocol)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint

_REFUSAL: Final = re.compile(
    rb"(?:error 0 )?[!-~]{0,200}?\b(cvsnt|cvs) \[(?:pserver|server) aborted\]: bad auth protocol start: "
)


def recognise(raw: bytes) -> Fingerprint | None:
    """Its name, and the line it did not understand."""
    found = _REFUSAL.match(raw)
    return Fingerprint("cvspserver", "CVS", cpe="nongnu:cvs") if found else None


PROTOCOL = Protocol(name="cvspserver", recognise=recognise, ports=(2401,), words=lambda _: b"\n")
