"""IRC: notices before registration (RFC 2812 3.3.2)."""

import re

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, dotted_name

_NOTICE = re.compile(rb"(?::([^\s]{1,253}) )?NOTICE (?:AUTH|\*) :")


def recognise(raw: bytes) -> Fingerprint | None:
    """`:irc.example.com NOTICE * :*** Looking up your hostname...`."""
    found = _NOTICE.match(raw)
    return Fingerprint("irc", names=dotted_name(found[1] or b"")) if found else None


PROTOCOL = Protocol(
    name="irc", recognise=recognise, ports=(6667,), tls_ports=(6697, 994), name_in_tls="ircs", greets=True
)
