"""FTP: the 220 greeting (RFC 959 5.4)."""

import re

from cobalt_tasks.protocols.base import Protocol, Steps, answered
from cobalt_tasks.protocols.fingerprint import Fingerprint, dotted_name, first_product

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


def recognise(raw: bytes) -> Fingerprint | None:
    """A greeting that says FTP or a product of it, in its first or a later line."""
    found = _GREETING.match(raw)
    product, version = first_product(raw, _PRODUCTS)
    if not found or (not product and b"FTP" not in raw.upper()):
        return None
    return Fingerprint("ftp", product, version, dotted_name(found[1]))


def starttls() -> Steps[bool]:
    """RFC 4217 4."""
    return (yield from answered(b"AUTH TLS\r\n", b"234"))


PROTOCOL = Protocol(
    name="ftp",
    recognise=recognise,
    name_in_tls="ftps",
    ports=(21, 2121),
    tls_ports=(990,),
    greets=True,
    starttls=starttls,
)
