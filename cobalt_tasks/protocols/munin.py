"""Munin's node: the greeting, then the command `version` (Munin documentation, Data exchange protocol)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol, Send, Steps, Target
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean, dotted_name

_GREETING: Final = re.compile(rb"# munin node at ([!-~]{1,100})\n")
_VERSION: Final = re.compile(rb"munins node on [!-~]{1,100} version: ([0-9][\w.-]{0,30})")
_PRODUCT, _CPE = "Munin node", "munin-monitoring:munin"


def recognise(raw: bytes) -> Fingerprint | None:
    """The greeting names the host."""
    found = _GREETING.match(raw)
    return Fingerprint("munin", _PRODUCT, names=dotted_name(found[1]), cpe=_CPE) if found else None


def ask_more(_: Target, __: bytes, known: Fingerprint) -> Steps[Fingerprint | None]:
    """Ask for the version."""
    reply = yield Send(b"version\n", is_complete=lambda raw: raw.endswith(b"\n"))
    found = _VERSION.match(reply.data)
    return Fingerprint("munin", _PRODUCT, clean(found[1]), known.names, cpe=_CPE) if found else None


PROTOCOL = Protocol(name="munin", recognise=recognise, ports=(4949,), greets=True, ask_more=ask_more)
