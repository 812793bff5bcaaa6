"""IMAP: the untagged greeting (RFC 9051 7.1)."""

import re

from msgspec.structs import replace

from cobalt_tasks.protocols.base import Protocol, Send, Steps, Target, answered
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean, dotted_name, first_product
from cobalt_tasks.protocols.products import system_of

_GREETING = re.compile(rb"\* (?:OK|PREAUTH|BYE)\b ?(?:\[[^\]\r\n]{0,1000}\] ?)?([^\r\n]{0,500})")
_PRODUCTS = (
    ("Dovecot", re.compile(rb"\bDovecot\b")),
    ("Courier", re.compile(rb"\bCourier-IMAP\b")),
    ("Cyrus", re.compile(rb"\bCyrus IMAP4? v?([0-9][\w.]*)")),
    ("Microsoft Exchange", re.compile(rb"\bMicrosoft Exchange\b")),
    ("Zimbra", re.compile(rb"\bZimbra\b")),
)

_ID_FIELDS = {
    field: re.compile(rb'"' + field.encode() + rb'" "([^"\r\n]{1,100})"', re.IGNORECASE)
    for field in ("name", "version")
}


def recognise(raw: bytes) -> Fingerprint | None:
    """`* OK [CAPABILITY …] Dovecot ready.`; some put their host name first."""
    found = _GREETING.match(raw)
    if not found:
        return None
    product, version = first_product(found[1], _PRODUCTS)
    return Fingerprint(
        "imap", product, version, dotted_name(found[1]), offers_tls=b"STARTTLS" in raw, os=system_of(found[1])
    )


def starttls(_: Target) -> Steps[bool]:
    """RFC 9051 6.2.1."""
    return (yield from answered(b"c1 STARTTLS\r\n", b"c1 OK"))


def ask_more(_: Target, __: bytes, known: Fingerprint) -> Steps[Fingerprint | None]:
    """Ask what the server can do, and for its name (RFC 2971)."""
    reply = yield Send(b"a1 CAPABILITY\r\na2 ID NIL\r\n", is_complete=lambda data: b"a2 " in data)
    name, version = (_ID_FIELDS[field].search(reply.data) for field in ("name", "version"))
    return replace(
        known,
        product=known.product or (clean(name[1]) if name else None),
        version=known.version or (clean(version[1]) if version else None),
        offers_tls=known.offers_tls or b"STARTTLS" in reply.data.upper(),
    )


PROTOCOL = Protocol(
    name="imap",
    recognise=recognise,
    name_in_tls="imaps",
    ports=(143,),
    tls_ports=(993,),
    greets=True,
    ask_more=ask_more,
    starttls=starttls,
)
