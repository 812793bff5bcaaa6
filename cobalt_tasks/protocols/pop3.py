"""POP3: the +OK greeting (RFC 1939 4), whose APOP stamp ends in the server's name."""

import re

from msgspec.structs import replace

from cobalt_tasks.protocols.base import Protocol, Send, Steps, Target, answered
from cobalt_tasks.protocols.fingerprint import Fingerprint, dotted_name, first_product
from cobalt_tasks.protocols.products import product_of, system_of

_GREETING = re.compile(rb"(?:\+OK|-ERR)\b([^\r\n]{0,500})")
_STAMP = re.compile(rb"<[^@<>\s]{1,200}@([^@<>\s]{1,253})>")
_PRODUCTS = (
    ("Dovecot", re.compile(rb"\bDovecot\b")),
    ("Cyrus", re.compile(rb"\bCyrus POP3 v?([0-9][\w.]*)")),
    ("Courier", re.compile(rb"\bCourier\b")),
    ("Qpopper", re.compile(rb"\bQpopper \(version ([0-9][\w.]*)\)", re.IGNORECASE)),
    ("Microsoft Exchange", re.compile(rb"\bMicrosoft Exchange\b")),
)

_IMPLEMENTATION = re.compile(rb"^IMPLEMENTATION ([^\r\n]{1,100})", re.MULTILINE)


def recognise(raw: bytes) -> Fingerprint | None:
    """`+OK Dovecot ready. <1896.697170952@mail.example.com>`."""
    found = _GREETING.match(raw)
    if not found:
        return None
    product, version = first_product(found[1], _PRODUCTS)
    stamp = _STAMP.search(found[1])
    return Fingerprint("pop3", product, version, dotted_name(stamp[1]) if stamp else (), os=system_of(found[1]))


def starttls(_: Target) -> Steps[bool]:
    """RFC 2595 4."""
    return (yield from answered(b"STLS\r\n", b"+OK"))


def ask_more(_: Target, raw: bytes, known: Fingerprint) -> Steps[Fingerprint | None]:
    """Ask what the server can do (RFC 2449).

    raw: its answer; known: what that showed.
    """
    if not raw.startswith(b"+OK"):
        return None
    reply = yield Send(b"CAPA\r\n", is_complete=lambda data: data.endswith(b"\r\n.\r\n") or data.startswith(b"-ERR"))
    program = _IMPLEMENTATION.search(reply.data)
    product, version = product_of(program[1]) if program else (None, None)
    return replace(
        known,
        product=known.product or product,
        version=known.version or version,
        offers_tls=b"\nSTLS" in reply.data,
    )


PROTOCOL = Protocol(
    name="pop3",
    recognise=recognise,
    name_in_tls="pop3s",
    ports=(110,),
    tls_ports=(995,),
    greets=True,
    ask_more=ask_more,
    starttls=starttls,
    aliases=("pop",),
)
