"""rsync: the daemon's greeting (rsync's csprotocol.txt)."""

import re

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_GREETING = re.compile(rb"@RSYNCD: ([0-9.]{1,10})")


def recognise(raw: bytes) -> Fingerprint | None:
    """The version it shows is the protocol's, not the program's."""
    found = _GREETING.match(raw)
    return Fingerprint("rsync", "rsync", info=f"protocol {clean(found[1])}") if found else None


PROTOCOL = Protocol(name="rsync", recognise=recognise, ports=(873,), greets=True)
