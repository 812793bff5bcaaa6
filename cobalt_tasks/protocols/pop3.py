"""POP3: the +OK greeting (RFC 1939 4), whose APOP stamp ends in the server's name."""

import re

from cobalt_tasks.protocols.base import Protocol, Steps, answered
from cobalt_tasks.protocols.fingerprint import Fingerprint, dotted_name, first_product

_GREETING = re.compile(rb"(?:\+OK|-ERR)\b([^\r\n]{0,500})")
_STAMP = re.compile(rb"<[^@<>\s]{1,200}@([^@<>\s]{1,253})>")
_PRODUCTS = (
    ("Dovecot", re.compile(rb"\bDovecot\b")),
    ("Cyrus", re.compile(rb"\bCyrus POP3 v?([0-9][\w.]*)")),
    ("Courier", re.compile(rb"\bCourier\b")),
    ("Qpopper", re.compile(rb"\bQpopper \(version ([0-9][\w.]*)\)", re.IGNORECASE)),
    ("Microsoft Exchange", re.compile(rb"\bMicrosoft Exchange\b")),
)


def recognise(raw: bytes) -> Fingerprint | None:
    """`+OK Dovecot ready. <1896.697170952@mail.example.com>`."""
    found = _GREETING.match(raw)
    if not found:
        return None
    product, version = first_product(found[1], _PRODUCTS)
    stamp = _STAMP.search(found[1])
    return Fingerprint("pop3", product, version, dotted_name(stamp[1]) if stamp else ())


def starttls() -> Steps[bool]:
    """RFC 2595 4."""
    return (yield from answered(b"STLS\r\n", b"+OK"))


PROTOCOL = Protocol(
    name="pop3",
    recognise=recognise,
    name_in_tls="pop3s",
    ports=(110,),
    tls_ports=(995,),
    greets=True,
    starttls=starttls,
    aliases=("pop",),
)
