"""HTTP: status line, Server and Location (RFC 9110, RFC 9112)."""

import re
from urllib.parse import urlsplit

from cobalt_tasks.core.text import hostname
from cobalt_tasks.protocols.base import Protocol, Target
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_STATUS = re.compile(rb"HTTP/[0-9.]{1,4} [0-9]{3}\b")
_SERVER = re.compile(rb"^Server:[ \t]*([^\r\n]{1,300})", re.IGNORECASE | re.MULTILINE)
_LOCATION = re.compile(rb"^Location:[ \t]*([^\s]{1,2000})", re.IGNORECASE | re.MULTILINE)
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_LENGTH = re.compile(rb"^Content-Length:[ \t]*([0-9]{1,9})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_WANTS_TLS = re.compile(rb"HTTP/1\.[01] 400 .*?(?:HTTPS|SSL-enabled)", re.DOTALL)
_DEFAULT_PORTS = (80, 443)
_PRODUCT = re.compile(rb"([^/\s(]{1,100})(?:/([^\s(;,]{1,100}))?")


def recognise(raw: bytes) -> Fingerprint | None:
    """The product is the first of the Server header; names are hosts it redirects to."""
    if not _STATUS.match(raw):
        return None
    head = raw.split(b"\r\n\r\n", 1)[0].split(b"\n\n", 1)[0]
    server = _SERVER.search(head)
    product = _products(server[1]) if server else (None, None)
    location = _LOCATION.search(head)
    names = _host(location[1]) if location else ()
    return Fingerprint("http", *product, names, wants_tls=bool(_WANTS_TLS.match(raw)))


def request(target: Target) -> bytes:
    """Return the request for the root page of the host, by its name where one is known (RFC 9112 3)."""
    host = target.name or (f"[{target.address}]" if ":" in target.address else target.address)
    port = "" if target.port in _DEFAULT_PORTS else f":{target.port}"
    head = f"Host: {host}{port}\r\nUser-Agent: {target.user_agent}\r\nAccept: */*\r\nConnection: close"
    return f"GET / HTTP/1.1\r\n{head}\r\n\r\n".encode()


def is_complete(raw: bytes) -> bool:
    """Return whether an answer is all there: its head, and the length it announces."""
    head = _HEAD_END.search(raw)
    if not head:
        return False
    length = _LENGTH.search(raw, 0, head.end())
    return bool(length and len(raw) >= head.end() + int(length[1]))


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


PROTOCOL = Protocol(
    name="http",
    recognise=recognise,
    name_in_tls="https",
    ports=(80, 81, 591, 2375, 3000, 5000, 5601, 5985, 7001, 8000, 8008, 8080, 8081, 8088, 8888, 9000, 9090, 9200),
    tls_ports=(443, 4443, 8443, 9443, 10443),
    words=request,
    is_complete=is_complete,
    likelihood=0,
    aliases=("title", "html", "http.server", "http-proxy"),
    parts={"http.server": server_header},
)
