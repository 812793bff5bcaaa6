"""RTSP: status line and Server (RFC 7826)."""

import re

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_STATUS = re.compile(rb"RTSP/[0-9.]{1,4} [0-9]{3}\b")
_SERVER = re.compile(rb"^Server:[ \t]*([^/\s]{1,100})(?:/([^\s(]{1,100}))?", re.IGNORECASE | re.MULTILINE)


def recognise(raw: bytes) -> Fingerprint | None:
    """The product is the first of the Server header."""
    if not _STATUS.match(raw):
        return None
    found = _SERVER.search(raw)
    return Fingerprint("rtsp", clean(found[1]), clean(found[2])) if found else Fingerprint("rtsp")


PROTOCOL = Protocol(name="rtsp", recognise=recognise, ports=(554, 8554))
