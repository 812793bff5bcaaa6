"""OpenWire: the WireFormatInfo with which ActiveMQ greets (Apache ActiveMQ, OpenWire version 2 specification)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_GREETING: Final = re.compile(rb".{4}\x01ActiveMQ\x00\x00\x00.", re.DOTALL)
_NAME: Final = re.compile(rb"ProviderName\x09..([!-~ ]{1,40})", re.DOTALL)
_VERSION: Final = re.compile(rb"ProviderVersion\x09..([0-9][\w.]{0,30})", re.DOTALL)


def recognise(raw: bytes) -> Fingerprint | None:
    """The mark of the format; newer brokers add their version."""
    if not _GREETING.match(raw):
        return None
    version, name = _VERSION.search(raw), _NAME.search(raw)
    is_classic = name is None or name[1].startswith(b"ActiveMQ")
    return Fingerprint(
        "openwire",
        "Apache ActiveMQ" if is_classic else None,
        clean(version[1]) if version else None,
        cpe="apache:activemq" if is_classic else None,
    )


PROTOCOL = Protocol(
    name="openwire", recognise=recognise, ports=(61616,), tls_ports=(61617,), greets=True, aliases=("apachemq",)
)
