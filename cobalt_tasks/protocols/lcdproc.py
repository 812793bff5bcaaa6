"""LCDproc: the hello of a client of its display (LCDproc developer's guide, LCDd)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_CONNECT: Final = re.compile(rb"connect LCDproc ([0-9][\w.]{0,20}) protocol ([0-9.]{1,8})")
_ERROR: Final = re.compile(rb"(?:huh\? (?:Invalid command|Unknown command|Syntax error)[^\r\n]{0,200}\n){1,20}\Z")


def recognise(raw: bytes) -> Fingerprint | None:
    """Its version, or its error."""
    if _ERROR.match(raw):
        return Fingerprint("lcdproc", "LCDproc", cpe="lcdproc:lcdproc")
    found = _CONNECT.match(raw)
    if not found:
        return None
    return Fingerprint(
        "lcdproc", "LCDproc", clean(found[1]), info=clean(b"protocol " + found[2]), cpe="lcdproc:lcdproc"
    )


PROTOCOL = Protocol(
    name="lcdproc",
    recognise=recognise,
    ports=(13666,),
    words=lambda _: b"hello\n",
    is_complete=lambda raw: raw.endswith(b"\n"),
)
