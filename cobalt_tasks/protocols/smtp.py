"""SMTP: the 220 greeting (RFC 5321 4.2), which starts with the server's own name."""

import re

from msgspec.structs import replace

from cobalt_tasks.protocols.base import Protocol, Send, Steps, Target, answered
from cobalt_tasks.protocols.fingerprint import Fingerprint, dotted_name, first_product
from cobalt_tasks.protocols.products import system_of

_GREETING = re.compile(rb"(?:220|421|554)[ -]([^\r\n]{0,500})")
_PRODUCTS = (
    ("Postfix", re.compile(rb"\bPostfix\b")),
    ("Exim", re.compile(rb"\bExim(?: ([0-9][\w.]*))?")),
    ("Sendmail", re.compile(rb"\bSendmail(?: ([0-9][\w.]*))?")),
    ("Microsoft Exchange", re.compile(rb"\bMicrosoft ESMTP MAIL Service(?:, Version: ([0-9.]+))?")),
    ("OpenSMTPD", re.compile(rb"\bOpenSMTPD\b")),
    ("Haraka", re.compile(rb"\bHaraka(?:/([0-9][\w.]*))?")),
    ("nullmailer", re.compile(rb"^nullmailer-smtpd\b")),
    ("aiosmtpd", re.compile(rb"\bPython SMTP ([0-9][\w.]*)")),
    ("Dovecot", re.compile(rb"\bDovecot\b")),
    ("MailEnable", re.compile(rb"\bMailEnable Service, Version: ([0-9.]+)")),
)

_IN_EHLO = (("smtp-server", re.compile(rb"^250[ -][^\r\n]{1,255} Nice to meet you, ")),)
"""Servers that name themselves in their answer to EHLO alone: smtp-server is Nodemailer's, in Node.js."""

_LAST_LINE = re.compile(rb"(?:\A|\n)[0-9]{3} [^\n]*\n\Z")


def recognise(raw: bytes) -> Fingerprint | None:
    """A greeting that names SMTP; one that does not could be FTP as well."""
    found = _GREETING.match(raw)
    if not found or b"SMTP" not in raw.upper():
        return None
    product, version = first_product(found[1], _PRODUCTS)
    return Fingerprint(
        "smtp", product, version, dotted_name(found[1]), offers_tls=b"STARTTLS" in raw, os=system_of(found[1])
    )


def _ehlo(target: Target) -> bytes:
    return f"EHLO {target.greeting_name}\r\n".encode()


def starttls(target: Target) -> Steps[bool]:
    """RFC 3207."""
    reply = yield Send(_ehlo(target), wait=1.5)
    return b"STARTTLS" in reply.data.upper() and (yield from answered(b"STARTTLS\r\n", b"220"))


def ask_more(target: Target, raw: bytes, known: Fingerprint) -> Steps[Fingerprint | None]:
    """Ask for the extensions.

    target: the port; raw: its answer; known: what that showed.
    """
    reply = yield Send(_ehlo(target), is_complete=lambda data: bool(_LAST_LINE.search(data)))
    shown = replace(known, offers_tls=b"STARTTLS" in (raw + reply.data).upper())
    return shown if shown.product else replace(shown, product=first_product(reply.data, _IN_EHLO)[0])


def confirm(target: Target, raw: bytes) -> Steps[Fingerprint | None]:
    """Send EHLO, or HELO to a server that does not know that: one that greets without naming SMTP accepts it all the same.

    target: the port; raw: the greeting.
    """
    if not raw.startswith(b"220"):
        return None
    reply = yield Send(_ehlo(target), is_complete=lambda data: bool(_LAST_LINE.search(data)))
    if reply.data.startswith(b"50"):
        reply = yield Send(f"HELO {target.greeting_name}\r\n".encode(), is_complete=lambda data: data.endswith(b"\n"))
    if not reply.data.startswith(b"250"):
        return None
    product, version = first_product(raw, _PRODUCTS)
    return Fingerprint(
        "smtp",
        product or first_product(reply.data, _IN_EHLO)[0],
        version,
        dotted_name(raw[4:]),
        offers_tls=b"STARTTLS" in reply.data.upper(),
        os=system_of(raw[4:]),
    )


PROTOCOL = Protocol(
    name="smtp",
    recognise=recognise,
    name_in_tls="smtps",
    ports=(25, 587, 2525),
    tls_ports=(465,),
    greets=True,
    ask_more=ask_more,
    confirm=confirm,
    starttls=starttls,
)
