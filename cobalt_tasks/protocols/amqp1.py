"""AMQP 1.0: the protocol header, also that of its SASL layer; the open frame names the broker (AMQP 1.0, 2.2 and 5.3)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_SASL: Final = b"AMQP\x03\x01\x00\x00"
_HEADER: Final = re.compile(rb"AMQP([\x00\x02\x03])\x01\x00\x00", re.DOTALL)
_PRODUCT: Final = re.compile(rb"product\xa1.([!-~ ]{1,60})", re.DOTALL)
_VERSION: Final = re.compile(rb"version\xa1.([0-9][\w.]{0,30})", re.DOTALL)
_MECHANISMS: Final = re.compile(rb"[A-Z][A-Z0-9-]{3,19}")


def recognise(raw: bytes) -> Fingerprint | None:
    """The header of version 1.0, and the ways to log in that follow it."""
    found = _HEADER.match(raw)
    if not found:
        return None
    rest = raw[found.end() :]
    logins = clean(b" ".join(sorted(set(_MECHANISMS.findall(rest))))) if found[1] == b"\x03" else None
    product, version = _PRODUCT.search(rest), _VERSION.search(rest)
    return Fingerprint(
        "amqp",
        clean(product[1]) if product else None,
        clean(version[1]) if version else None,
        info="AMQP 1.0",
        extras={"logins": logins} if logins else {},
    )


PROTOCOL = Protocol(
    name="amqp1", recognise=recognise, name_in_tls="amqps", ports=(5672,), tls_ports=(5671,), words=lambda _: _SASL
)
"""Most brokers that are asked in the version before answer with this one's header; some hang up."""
