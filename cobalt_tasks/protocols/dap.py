"""The Debug Adapter Protocol: the event with which debugpy greets (Debug Adapter Protocol, Base protocol)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_EVENT: Final = re.compile(rb'Content-Length: [0-9]{1,6}\r\n\r\n\{[^\r\n]{0,400}?"type": ?"event"')
_DEBUGPY: Final = re.compile(rb'"(?:ptvsd|debugpy)"[^\r\n]{0,200}?"packageVersion": ?"([0-9][\w.+]{0,30})"')


def recognise(raw: bytes) -> Fingerprint | None:
    """An event before anything was asked; that of debugpy has its version."""
    if not _EVENT.match(raw):
        return None
    found = _DEBUGPY.search(raw)
    return Fingerprint("dap", "debugpy", clean(found[1])) if found else Fingerprint("dap")


PROTOCOL = Protocol(name="dap", recognise=recognise, greets=True)
