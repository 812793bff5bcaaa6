"""BZFlag: the greeting of a player, and the version of the protocol in the answer of the server (bzfs)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint

_ANSWER: Final = re.compile(rb"BZFS([0-9]{4})")


def recognise(raw: bytes) -> Fingerprint | None:
    """The version is the protocol's: servers do not name theirs."""
    found = _ANSWER.match(raw)
    return Fingerprint("bzflag", "BZFlag", info=f"protocol {found[1].decode()}") if found else None


PROTOCOL = Protocol(name="bzflag", recognise=recognise, ports=(5154,), words=lambda _: b"BZFLAG\r\n\r\n")
