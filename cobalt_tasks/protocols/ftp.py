"""FTP: the 220 greeting (RFC 959 5.4)."""

import re

from msgspec.structs import replace

from cobalt_tasks.protocols.base import Protocol, Send, Steps, Target, answered
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean, dotted_name, first_product
from cobalt_tasks.protocols.products import product_of, system_of

_GREETING = re.compile(rb"(?:220|421|530)[ -]+([^\r\n]{0,500})")
_PRODUCTS = (
    ("vsftpd", re.compile(rb"\bvsFTPd ([0-9][\w.]*)")),
    ("ProFTPD", re.compile(rb"\bProFTPD(?: ([0-9][\w.]*))?")),
    ("Pure-FTPd", re.compile(rb"\bPure-FTPd\b")),
    ("FileZilla Server", re.compile(rb"\bFileZilla Server(?: (?:version )?([0-9][\w.]*))?")),
    ("Microsoft FTP Service", re.compile(rb"\bMicrosoft FTP Service\b")),
    ("Serv-U", re.compile(rb"\bServ-U FTP Server(?: v([0-9][\w.]*))?")),
    ("pyftpdlib", re.compile(rb"\bpyftpdlib ([0-9][\w.]*)")),
    ("MikroTik FTP", re.compile(rb"\bFTP server \(MikroTik ([0-9][\w.]*)\)")),
)

_NAMED = re.compile(
    rb"^(?:[^\s(]{1,100} )?([A-Z]\w{1,30}(?: [A-Z]\w{1,30})?) ([0-9]{1,4}(?:\.\w{1,20}){1,4}) FTP server\b",
    re.IGNORECASE,
)
_IN_BRACKETS = re.compile(rb"\bFTP server \((?!Version )([A-Za-z][^()\r\n]{0,100})\)")

_LAST_LINE = re.compile(rb"(?:\A|\n)[0-9]{3} [^\n]*\n\Z")
_FEATURES = Send(b"FEAT\r\n", is_complete=lambda data: bool(_LAST_LINE.search(data)))
_SYSTEM = Send(b"SYST\r\n", is_complete=lambda data: bool(_LAST_LINE.search(data)))


def recognise(raw: bytes) -> Fingerprint | None:
    """A greeting that names FTP or a product of it, in its first or a later line."""
    found = _GREETING.match(raw)
    product, version = first_product(raw, _PRODUCTS)
    if not found or (not product and b"FTP" not in raw.upper()):
        return None
    if not product:
        product, version = _program(found[1])
    return Fingerprint("ftp", product, version, dotted_name(found[1]), os=system_of(found[1]))


def _program(greeting: bytes) -> tuple[str | None, str | None]:
    """Return the program that a greeting names beside `FTP server`, with its version: before it, or in brackets after it."""
    if named := _NAMED.match(greeting):
        return clean(named[1]), clean(named[2])
    inside = _IN_BRACKETS.search(greeting)
    product, version = product_of(inside[1]) if inside else (None, None)
    return (product, version) if version else (None, None)


def confirm(_: Target, raw: bytes) -> Steps[Fingerprint | None]:
    """Ask for the features, or the system of a server that does not know these: a list, a name, or the wish for a login.

    raw: the greeting.
    """
    if not raw.startswith(b"220"):
        return None
    reply = yield _FEATURES
    if reply.data.startswith(b"50"):
        reply = yield _SYSTEM
    if not reply.data.startswith((b"211", b"215", b"530")):
        return None
    return Fingerprint("ftp", names=dotted_name(raw[4:]), offers_tls=b"AUTH TLS" in reply.data.upper())


def starttls(_: Target) -> Steps[bool]:
    """RFC 4217 4."""
    return (yield from answered(b"AUTH TLS\r\n", b"234"))


def ask_more(_: Target, raw: bytes, known: Fingerprint) -> Steps[Fingerprint | None]:
    """Ask for the features (RFC 2389).

    raw: its answer; known: what that showed.
    """
    if not raw.startswith(b"220"):
        return None
    reply = yield _FEATURES
    return replace(known, offers_tls=b"AUTH TLS" in reply.data.upper())


PROTOCOL = Protocol(
    name="ftp",
    recognise=recognise,
    name_in_tls="ftps",
    ports=(21, 2121),
    tls_ports=(990,),
    greets=True,
    ask_more=ask_more,
    confirm=confirm,
    starttls=starttls,
)
