"""IMAP: the untagged greeting (RFC 9051 7.1)."""

import re

from cobalt_tasks.protocols.base import Protocol, Steps, answered
from cobalt_tasks.protocols.fingerprint import Fingerprint, dotted_name, first_product

_GREETING = re.compile(rb"\* (?:OK|PREAUTH|BYE)\b ?(?:\[[^\]\r\n]{0,1000}\] ?)?([^\r\n]{0,500})")
_PRODUCTS = (
    ("Dovecot", re.compile(rb"\bDovecot\b")),
    ("Courier", re.compile(rb"\bCourier-IMAP\b")),
    ("Cyrus", re.compile(rb"\bCyrus IMAP4? v?([0-9][\w.]*)")),
    ("Microsoft Exchange", re.compile(rb"\bMicrosoft Exchange\b")),
    ("Zimbra", re.compile(rb"\bZimbra\b")),
)


def recognise(raw: bytes) -> Fingerprint | None:
    """`* OK [CAPABILITY …] Dovecot ready.`; some put their host name first."""
    found = _GREETING.match(raw)
    if not found:
        return None
    product, version = first_product(found[1], _PRODUCTS)
    return Fingerprint("imap", product, version, dotted_name(found[1]), offers_tls=b"STARTTLS" in raw)


def starttls() -> Steps[bool]:
    """RFC 9051 6.2.1."""
    return (yield from answered(b"c1 STARTTLS\r\n", b"c1 OK"))


PROTOCOL = Protocol(
    name="imap",
    recognise=recognise,
    name_in_tls="imaps",
    ports=(143,),
    tls_ports=(993,),
    greets=True,
    starttls=starttls,
)
