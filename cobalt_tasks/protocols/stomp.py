"""STOMP: a CONNECT without a login; the answer names the server (STOMP 1.2, Connecting)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean
from cobalt_tasks.protocols.products import product_of

_CONNECT: Final = b"CONNECT\naccept-version:1.0,1.1,1.2\nhost:/\n\n\x00"
_FRAME: Final = re.compile(rb"(CONNECTED|ERROR)\r?\n(?:[\w-]{1,60}:[^\n]{0,300}\n){1,20}\r?\n")
_HEADER: Final = re.compile(rb"^(server|version):([^\r\n]{1,200})", re.MULTILINE)

_BROKERS: Final = {
    "ActiveMQ": ("Apache ActiveMQ", "apache:activemq"),
    "ActiveMQ-Artemis": ("Apache ActiveMQ Artemis", "apache:activemq_artemis"),
    "RabbitMQ": ("RabbitMQ", "vmware:rabbitmq"),
}
"""Names and CPE by the name in the header."""


def recognise(raw: bytes) -> Fingerprint | None:
    """A frame with headers: the server's name, and the protocol's version."""
    frame = _FRAME.match(raw)
    if not frame:
        return None
    headers = dict(_HEADER.findall(frame[0]))
    product, version = product_of(headers[b"server"]) if b"server" in headers else (None, None)
    spoken = clean(b"STOMP " + headers[b"version"]) if b"version" in headers else None
    name, cpe = _BROKERS.get(product or "", (product, None))
    return Fingerprint("stomp", name, version, info=spoken, cpe=cpe)


PROTOCOL = Protocol(
    name="stomp",
    recognise=recognise,
    name_in_tls="stomps",
    ports=(61613,),
    tls_ports=(61614,),
    words=lambda _: _CONNECT,
    is_complete=lambda raw: b"\x00" in raw,
)
