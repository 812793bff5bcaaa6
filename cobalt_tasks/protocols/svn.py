"""Subversion's own protocol: the greeting with versions and capabilities (Subversion, libsvn_ra_svn/protocol)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_GREETING: Final = re.compile(rb"\( success \( ([0-9]) ([0-9]) \( [^()]{0,200}\) \( ([^()]{0,500})\)")
_FAILURE: Final = re.compile(rb"\( failure \( \( [0-9]{6} ")


def recognise(raw: bytes) -> Fingerprint | None:
    """The versions are the protocol's; the program does not name its own."""
    if _FAILURE.match(raw):
        return Fingerprint("svn", "Subversion", cpe="apache:subversion")
    found = _GREETING.match(raw)
    if not found:
        return None
    capabilities = clean(found[3])
    info = f"protocol {found[1].decode()}-{found[2].decode()}"
    extras = {"capabilities": capabilities} if capabilities else {}
    return Fingerprint("svn", "Subversion", info=info, cpe="apache:subversion", extras=extras)


PROTOCOL = Protocol(name="svn", recognise=recognise, ports=(3690,), greets=True, aliases=("svnserve", "subversion"))
