"""LMTP: SMTP's relative for delivery, whose clients start with LHLO (RFC 2033)."""

import re

from cobalt_tasks.protocols.base import Protocol, Send, Steps, Target, answered
from cobalt_tasks.protocols.fingerprint import Fingerprint, dotted_name, first_product

_GREETING = re.compile(rb"(?:220|421|554)[ -]([^\r\n]{0,500})")
_NAMED = re.compile(rb"\bLMTP\b")
_PRODUCTS = (
    ("Cyrus", re.compile(rb"\bCyrus LMTP v?([0-9][\w.]*)")),
    ("Dovecot", re.compile(rb"\bDovecot\b")),
    ("Exim", re.compile(rb"\bExim(?: ([0-9][\w.]*))?")),
)
_LAST_LINE = re.compile(rb"(?:\A|\n)[0-9]{3} [^\n]*\n\Z")


def recognise(raw: bytes) -> Fingerprint | None:
    """A greeting that names LMTP; one that does not could be SMTP as well."""
    found = _GREETING.match(raw)
    return _fingerprint(found[1], offers_tls=b"STARTTLS" in raw) if found and _NAMED.search(found[1]) else None


def _fingerprint(greeting: bytes, *, offers_tls: bool) -> Fingerprint:
    product, version = first_product(greeting, _PRODUCTS)
    return Fingerprint("lmtp", product, version, dotted_name(greeting), offers_tls=offers_tls)


def _lhlo(target: Target) -> Send:
    return Send(
        f"LHLO {target.greeting_name}\r\n".encode(), wait=1.5, is_complete=lambda data: bool(_LAST_LINE.search(data))
    )


def starttls(target: Target) -> Steps[bool]:
    """RFC 3207, after LHLO."""
    reply = yield _lhlo(target)
    return b"STARTTLS" in reply.data.upper() and (yield from answered(b"STARTTLS\r\n", b"220"))


def ask_more(target: Target, raw: bytes, known: Fingerprint) -> Steps[Fingerprint | None]:
    """Ask for the extensions.

    target: the port; raw: its answer; known: what that showed.
    """
    return (yield from confirm(target, raw)) or known


def confirm(target: Target, raw: bytes) -> Steps[Fingerprint | None]:
    """Send LHLO, which servers of SMTP do not know.

    target: the port; raw: the greeting.
    """
    found = _GREETING.match(raw)
    if not found or not raw.startswith(b"220"):
        return None
    reply = yield _lhlo(target)
    if not reply.data.startswith(b"250"):
        return None
    return _fingerprint(found[1], offers_tls=b"STARTTLS" in reply.data.upper())


PROTOCOL = Protocol(
    name="lmtp",
    recognise=recognise,
    ports=(24,),
    greets=True,
    ask_more=ask_more,
    confirm=confirm,
    starttls=starttls,
)
