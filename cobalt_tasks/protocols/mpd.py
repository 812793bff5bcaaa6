"""MPD: the greeting, whose version is that of the protocol (Music Player Daemon, protocol reference)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_GREETING: Final = re.compile(rb"OK MPD ([0-9][0-9.]{0,20})\n")


def recognise(raw: bytes) -> Fingerprint | None:
    """The version is the protocol's, not the program's."""
    found = _GREETING.match(raw)
    if not found:
        return None
    return Fingerprint("mpd", "Music Player Daemon (MPD)", info=clean(b"protocol " + found[1]))


PROTOCOL = Protocol(name="mpd", recognise=recognise, ports=(6600,), greets=True)
