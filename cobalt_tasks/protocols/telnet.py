"""Telnet: option negotiation comes first (RFC 854)."""

import re

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint

_NEGOTIATION = re.compile(rb"\xff[\xfb-\xfe]", re.DOTALL)


def recognise(raw: bytes) -> Fingerprint | None:
    """IAC WILL, WON'T, DO or DON'T."""
    return Fingerprint("telnet") if _NEGOTIATION.match(raw) else None


PROTOCOL = Protocol(
    name="telnet", recognise=recognise, ports=(23,), tls_ports=(992,), name_in_tls="telnets", greets=True
)
