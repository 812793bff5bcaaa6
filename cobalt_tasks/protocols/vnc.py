"""VNC: ProtocolVersion (RFC 6143 7.1.1)."""

import re

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint

_VERSION = re.compile(rb"RFB ([0-9]{3})\.([0-9]{3})\n")


def recognise(raw: bytes) -> Fingerprint | None:
    """The version is the protocol's: servers do not name themselves."""
    found = _VERSION.match(raw)
    return Fingerprint("vnc", None, f"{int(found[1])}.{int(found[2])}") if found else None


PROTOCOL = Protocol(name="vnc", recognise=recognise, ports=(5900, 5901), greets=True, aliases=("vnc-info",))
