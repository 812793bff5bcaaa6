"""VNC: ProtocolVersion (RFC 6143 7.1.1)."""

import re

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint

_VERSION = re.compile(rb"RFB ([0-9]{3})\.([0-9]{3})\n")

_PRODUCTS = {(3, 889): "Apple Remote Desktop", (4, 1): "RealVNC", (5, 0): "RealVNC"}
"""Versions only one product claims."""


def recognise(raw: bytes) -> Fingerprint | None:
    """The version is the protocol's: servers do not name themselves."""
    found = _VERSION.match(raw)
    if not found:
        return None
    version = (int(found[1]), int(found[2]))
    product = _PRODUCTS.get(version)
    return Fingerprint("vnc", product, info=f"RFB {version[0]}.{version[1]}")


PROTOCOL = Protocol(name="vnc", recognise=recognise, ports=(5900, 5901), greets=True, aliases=("vnc-info",))
