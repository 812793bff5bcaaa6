"""twemproxy (nutcracker): the statistics with which it greets, in JSON (twemproxy, Observability)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_STATS: Final = re.compile(
    rb'\{"service": ?"nutcracker", ?"source": ?"[^"]{0,255}", ?"version": ?"([0-9][\w.-]{0,30})"'
)


def recognise(raw: bytes) -> Fingerprint | None:
    """The version is its own."""
    found = _STATS.match(raw)
    return Fingerprint("twemproxy", "twemproxy", clean(found[1])) if found else None


PROTOCOL = Protocol(name="twemproxy", recognise=recognise, greets=True)
