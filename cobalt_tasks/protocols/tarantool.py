"""Tarantool's binary protocol: the greeting of two lines of 64 bytes (Tarantool documentation, Greeting packet)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_GREETING: Final = re.compile(rb"Tarantool ([0-9][\w.-]{0,30}) \((Binary|Lua console)\)")


def recognise(raw: bytes) -> Fingerprint | None:
    """The greeting names the version, and whether the binary protocol or the console follows."""
    found = _GREETING.match(raw)
    if not found:
        return None
    return Fingerprint("tarantool", "Tarantool", clean(found[1]), info=clean(found[2]), cpe="tarantool:tarantool")


PROTOCOL = Protocol(name="tarantool", recognise=recognise, ports=(3301,), greets=True)
