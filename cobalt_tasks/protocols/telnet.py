"""Telnet: option negotiation comes first (RFC 854)."""

import re

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint

_NEGOTIATION = re.compile(rb"\xff[\xfb-\xfe]", re.DOTALL)

_PRODUCTS = (
    (
        "Linux telnetd",
        re.compile(rb"(?:\xff\xfb\x25)?(?:\xff\xfb\x26)?\xff\xfd\x18\xff\xfd\x20\xff\xfd\x23\xff\xfd\x27"),
    ),
    ("MikroTik telnetd", re.compile(rb"\xff[\xfb-\xfe].{0,60}MikroTik", re.DOTALL)),
    (
        "Cisco telnetd",
        re.compile(rb"\xff\xfb\x01\xff\xfb\x03\xff\xfd\x18\xff\xfd\x1f.{0,200}User Access Verification", re.DOTALL),
    ),
    ("BusyBox telnetd", re.compile(rb"\xff\xfd\x01\xff\xfd\x1f\xff\xfb\x01\xff\xfb\x03")),
    ("Microsoft Telnet Service", re.compile(rb"\xff\xfd\x25\xff\xfb\x01\xff\xfb\x03\xff\xfd\x27")),
)
_DEVICES = {"MikroTik telnetd": "router", "Cisco telnetd": "router"}


def recognise(raw: bytes) -> Fingerprint | None:
    """IAC WILL, WON'T, DO or DON'T; which options, and in what order, distinguishes some servers."""
    if not _NEGOTIATION.match(raw):
        return None
    product = next((product for product, pattern in _PRODUCTS if pattern.match(raw)), None)
    return Fingerprint("telnet", product, device=_DEVICES.get(product or ""), confidence=0.8 if product else 1.0)


PROTOCOL = Protocol(
    name="telnet", recognise=recognise, ports=(23,), tls_ports=(992,), name_in_tls="telnets", greets=True
)
