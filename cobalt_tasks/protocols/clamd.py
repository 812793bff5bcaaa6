"""ClamAV's clamd: the command VERSION (clamd(8), COMMANDS)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_VERSION: Final = re.compile(rb"ClamAV ([0-9]{1,3}\.[0-9]{1,3}(?:\.[0-9]{1,3})?)[^/\n]{0,30}(?:/([0-9]{1,8}))?")


def recognise(raw: bytes) -> Fingerprint | None:
    """The program's version, then that of its signatures."""
    found = _VERSION.match(raw)
    if not found:
        return None
    signatures = clean(found[2])
    extras = {"signatures": signatures} if signatures else {}
    return Fingerprint("clamd", "ClamAV", clean(found[1]), cpe="clamav:clamav", extras=extras)


PROTOCOL = Protocol(
    name="clamd",
    recognise=recognise,
    ports=(3310,),
    words=lambda _: b"nVERSION\n",
    is_complete=lambda raw: raw.endswith(b"\n"),
    aliases=("clam",),
)
