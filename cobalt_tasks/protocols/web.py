"""HTTP: status line, Server and Location (RFC 9110, RFC 9112)."""

import re
from urllib.parse import urlsplit

from cobalt_tasks.core.text import hostname
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_STATUS = re.compile(rb"HTTP/[0-9.]{1,4} [0-9]{3}\b")
_SERVER = re.compile(rb"^Server:[ \t]*([^\r\n]{1,300})", re.IGNORECASE | re.MULTILINE)
_LOCATION = re.compile(rb"^Location:[ \t]*([^\s]{1,2000})", re.IGNORECASE | re.MULTILINE)
_PRODUCT = re.compile(rb"([^/\s(]{1,100})(?:/([^\s(;,]{1,100}))?")


def recognise(raw: bytes) -> Fingerprint | None:
    """The product is the first of the Server header; names are hosts it redirects to."""
    if not _STATUS.match(raw):
        return None
    head = raw.split(b"\r\n\r\n", 1)[0].split(b"\n\n", 1)[0]
    server = _SERVER.search(head)
    product = _products(server[1]) if server else (None, None)
    location = _LOCATION.search(head)
    return Fingerprint("http", *product, _host(location[1]) if location else ())


def server_header(raw: bytes) -> Fingerprint | None:
    """The value of a Server header alone."""
    product, version = _products(raw)
    return Fingerprint("http", product, version)


def _products(value: bytes) -> tuple[str | None, str | None]:
    found = _PRODUCT.match(value.strip())
    return (clean(found[1]), clean(found[2])) if found else (None, None)


def _host(location: bytes) -> tuple[str, ...]:
    try:
        host = urlsplit(location.decode("ascii")).hostname
    except ValueError:
        return ()
    name = hostname(host) if host else None
    return (name,) if name else ()
