"""NNTP: the greeting (RFC 3977 5.1)."""

import re

from cobalt_tasks.protocols.base import Protocol, Steps, Target, answered
from cobalt_tasks.protocols.fingerprint import Fingerprint, dotted_name, first_product

_GREETING = re.compile(rb"(?:200|201|400|480|502) ([^\r\n]{0,500})")
_PRODUCTS = (
    ("INN", re.compile(rb"\b(?:InterNetNews|INN)[^\r\n0-9]{0,60}([0-9][\w.]*)")),
    ("INN", re.compile(rb"\bInterNetNews\b")),
    ("Cyrus", re.compile(rb"\bCyrus NNTP v?([0-9][\w.]*)")),
    ("Leafnode", re.compile(rb"\bLeafnode NNTP Daemon, version ([0-9][\w.]*)", re.IGNORECASE)),
    ("Microsoft NNTP Service", re.compile(rb"\bNNTP Service ([0-9][\w.]*)")),
)


def recognise(raw: bytes) -> Fingerprint | None:
    """A greeting that names NNTP or news, or a product of it."""
    found = _GREETING.match(raw)
    if not found:
        return None
    product, version = first_product(found[1], _PRODUCTS)
    if not product and b"NNTP" not in found[1].upper() and b"posting" not in found[1].lower():
        return None
    return Fingerprint("nntp", product, version, dotted_name(found[1]))


def starttls(_: Target) -> Steps[bool]:
    """RFC 4642."""
    return (yield from answered(b"STARTTLS\r\n", b"382"))


PROTOCOL = Protocol(
    name="nntp",
    recognise=recognise,
    name_in_tls="nntps",
    ports=(119, 433),
    tls_ports=(563,),
    greets=True,
    starttls=starttls,
)
