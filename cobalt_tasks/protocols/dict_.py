"""DICT: the dictionary server's banner (RFC 2229 3.1)."""

import re

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean, dotted_name
from cobalt_tasks.protocols.products import system_of

_GREETING = re.compile(rb"220 ([^\r\n<]{0,300})<[a-z0-9._]{0,200}> <[^\r\n>]{1,200}>")
_DICTD = re.compile(rb"\bdictd ([0-9][\w.]*)")


def recognise(raw: bytes) -> Fingerprint | None:
    """`220 host dictd 1.13.0/rf on Linux 6.1 <auth.mime> <id>`: capabilities and a message id end it."""
    found = _GREETING.match(raw)
    if not found:
        return None
    dictd = _DICTD.search(found[1])
    return Fingerprint(
        "dict",
        "dictd" if dictd else None,
        clean(dictd[1]) if dictd else None,
        dotted_name(found[1]),
        os=system_of(found[1]),
    )


PROTOCOL = Protocol(name="dict", recognise=recognise, ports=(2628,), greets=True)
