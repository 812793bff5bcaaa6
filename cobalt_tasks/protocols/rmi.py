"""Java RMI: the stream protocol's opening, and the endpoint of the client that the server acknowledges it with (RMI Wire Protocol)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint

_OPENING: Final = b"JRMI\x00\x02\x4b"
_ACKNOWLEDGED: Final = re.compile(rb"\x4e\x00([\x02-\x40])([0-9A-Za-z.:%_-]{2,64})\x00\x00[\x00-\xff]{2}\Z")


def recognise(_: bytes) -> Fingerprint | None:
    """Return None: the answer could be any server's."""


def recognise_reply(raw: bytes) -> Fingerprint | None:
    """The address and port that the server sees its client at; no program names itself."""
    found = _ACKNOWLEDGED.match(raw)
    return Fingerprint("java-rmi") if found and found[1][0] == len(found[2]) else None


PROTOCOL = Protocol(
    name="java-rmi",
    recognise=recognise,
    recognise_reply=recognise_reply,
    ports=(1099, 1098),
    words=lambda _: _OPENING,
    likelihood=51,
    rejects_http=True,
    aliases=("rmiregistry",),
)
