"""HTTP: status line, Server and Location (RFC 9110, RFC 9112)."""

import re
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from msgspec.structs import replace

from cobalt_tasks.core.text import hostname
from cobalt_tasks.protocols import favicon, metrics
from cobalt_tasks.protocols.base import Connect, ConnectionStatus, Protocol, Send, Steps, Target
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean
from cobalt_tasks.protocols.products import product_of, system_of
from cobalt_tasks.protocols.web_products import LIBRARIES, RENAMED, WEB_PRODUCTS

_STATUS = re.compile(rb"HTTP/[0-9.]{1,4} [0-9]{3}\b")
_INTERIM = re.compile(rb"HTTP/1\.[01] 1(?!01)[0-9]{2}\b")
_HEADER = re.compile(rb"^([A-Za-z][A-Za-z0-9-]{0,60}):[ \t]*([^\r\n]{0,2000})", re.MULTILINE)
_TITLE = re.compile(rb"<title[^>]{0,100}>([^<]{1,300})", re.IGNORECASE)
_GENERATOR = re.compile(rb"<meta name=[\"']generator[\"'] content=[\"']([^\"'<>]{1,100})", re.IGNORECASE)
_REALM = re.compile(rb"realm=\"([^\"]{1,100})", re.IGNORECASE)
_REDIRECTS = re.compile(rb"HTTP/(?:1\.[01]|2) 30[12378]\b")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_LENGTH = re.compile(rb"^Content-Length:[ \t]*([0-9]{1,9})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_WANTS_TLS = re.compile(rb"HTTP/1\.[01] 400 .*?(?:HTTPS|SSL-enabled)", re.DOTALL)
_FOUND = re.compile(rb"HTTP/(?:1\.[01]|2) 200\b")
_NOT_FOUND = re.compile(rb"HTTP/(?:1\.[01]|2) 404\b")
_PAGE = re.compile(rb"^Content-Type:[ \t]*(?:text|application/json)", re.IGNORECASE | re.MULTILINE)
_COOKIE = re.compile(rb"^Set-Cookie:[ \t]*([!#$%&'*+.^_`|~A-Za-z0-9-]{1,60})=", re.IGNORECASE | re.MULTILINE)
_MOST_COOKIES = 10
_PATH = re.compile(r"[!-~]{1,500}")
_DEFAULT_PORTS = (80, 443)
_MOST_REDIRECTS = 2

Fetch = Callable[[str, str, int | None], Steps[bytes | None]]
"""Asks, over a connection of its own, for a path, in an encoding (empty for any), up to a limit (None: as evidence); returns the
answer as HTTP/1.1 writes it, None if the port does not accept the connection.
"""


def recognise(raw: bytes) -> Fingerprint | None:
    """The product is what the Server header or the page shows; names are hosts it redirects to."""
    if not _STATUS.match(raw):
        return None
    raw = final(raw)
    end = _HEAD_END.search(raw)
    head, body = (raw[: end.start()], raw[end.end() :]) if end else (raw, b"")
    fields = {name.lower().decode(): value.strip() for name, value in _HEADER.findall(head)}
    status, _, reason = head.split(b"\n", 1)[0].partition(b" ")[2].partition(b" ")
    fields["status"], fields["reason"] = status[:3], reason.strip()
    fields["cookies"] = b" ".join(list(dict.fromkeys(_COOKIE.findall(head)))[:_MOST_COOKIES])
    for name, pattern in (("title", _TITLE), ("generator", _GENERATOR)):
        if found := pattern.search(body):
            fields[name] = found[1].strip()
    return _fingerprint(raw, {**fields, "body": body})


def final(raw: bytes) -> bytes:
    """Return an answer without those that go before it: `100 Continue`, `103 Early Hints` (RFC 9110 15.2)."""
    while _INTERIM.match(raw) and (end := _HEAD_END.search(raw)) and _STATUS.match(raw, end.end()):
        raw = raw[end.end() :]
    return raw


def _fingerprint(raw: bytes, fields: Mapping[str, bytes]) -> Fingerprint:
    server = fields.get("server", b"")
    product, version = product_of(server)
    token = clean(server.split(b" ", 1)[0].lower())
    if product and (named := RENAMED.get(token or "") or RENAMED.get(product.lower())):
        product, is_own = named
        version = version if is_own else None
    page = _page(fields)
    if page and (product is None or product in LIBRARIES or page[0] == product):
        product, version = page[0], page[1] or (version if page[0] == product else None)
    return Fingerprint(
        "http",
        product,
        version,
        _host(fields.get("location", b"")),
        info=clean(fields.get("title")),
        os=system_of(server),
        device=page[2] if page else None,
        extras=_extras(fields, page[0] if page and page[0] != product else None),
        wants_tls=bool(_WANTS_TLS.match(raw)),
    )


def _page(fields: Mapping[str, bytes]) -> tuple[str, str | None, str | None] | None:
    """Return the product a page or a header of its own shows, its version, and the kind of device."""
    for each in WEB_PRODUCTS:
        value = fields.get(each.where)
        if value is not None and (found := each.pattern.search(value)):
            return each.name, clean(found[1]) if each.pattern.groups else None, each.device
    return None


def _extras(fields: Mapping[str, bytes], application: str | None) -> dict[str, str]:
    realm = _REALM.search(fields.get("www-authenticate", b""))
    values = {
        "title": clean(fields.get("title")),
        "server": clean(fields.get("server")),
        "powered_by": clean(fields.get("x-powered-by")),
        "generator": clean(fields.get("generator")),
        "realm": clean(realm[1]) if realm else None,
        "location": clean(fields.get("location")),
        "via": clean(fields.get("via")),
        "application": application,
        "cookies": clean(fields.get("cookies")),
        "status": clean(fields.get("status")),
    }
    return {name: value for name, value in values.items() if value}


def ask_more(target: Target, raw: bytes, known: Fingerprint) -> Steps[Fingerprint | None]:
    """Ask for more than the first page.

    target: the port; raw: its answer; known: what that showed.
    """

    def fetch(path: str, encoding: str, limit: int | None) -> Steps[bytes | None]:
        if (yield Connect()).status is not ConnectionStatus.OPEN:
            return None
        step = Send(request(target, path, encoding), is_complete=is_complete)
        return final((yield step if limit is None else replace(step, limit=limit, is_evidence=False)).data)

    return look_further(final(raw), known, fetch)


def look_further(page: bytes, known: Fingerprint, fetch: Fetch) -> Steps[Fingerprint | None]:
    """Follow redirects to paths of the same server, where the page has the title; then fetch metrics and the page's icon.

    A server that is not named yet is asked for an icon all the same: its page for what it does not have may name it.
    page: its answer; known: what that showed; fetch: as `Fetch` describes it.
    """
    shown = known
    for _ in range(_MOST_REDIRECTS):
        location = shown.extras.get("location", "")
        is_local = location.startswith("/") and not location.startswith("//")
        if (shown.product and shown.product not in LIBRARIES) or not is_local or not _REDIRECTS.match(page):
            break
        if (answer := (yield from fetch(location, "", None))) is None:
            break
        page, shown = answer, recognise(answer) or shown
    is_open = bool(_STATUS.match(page)) and "location" not in shown.extras
    if is_open and not shown.version:
        shown = (yield from _metrics(page, shown, fetch)) or shown
    if not shown.extras.get("title") and (shown.product or not is_open):
        return shown if shown is not known else None
    if (reply := (yield from fetch(favicon.path_in(page), "", favicon.LIMIT))) is None:
        return shown
    if _NOT_FOUND.match(reply) and not shown.product and (error := recognise(reply)) and error.product:
        return replace(shown, product=error.product, version=error.version)
    icon = _icon(reply)
    return replace(shown, extras={**shown.extras, **favicon.digests(icon)}) if icon else shown


def _metrics(page: bytes, shown: Fingerprint, fetch: Fetch) -> Steps[Fingerprint | None]:
    """Ask for the metrics where a page leads to them, or shows nothing at all; return the program they are of.

    page: the port's answer; shown: what that showed; fetch: as `Fetch` describes it.
    """
    is_found = bool(_FOUND.match(page))
    if not metrics.are_worthwhile(page, shown.product, is_found=is_found):
        return None
    if (reply := (yield from fetch(metrics.PATH, metrics.ENCODING, metrics.LIMIT))) is None:
        return None
    end = _HEAD_END.search(reply)
    program = metrics.program_in(reply[: end.start()], reply[end.end() :]) if end and _FOUND.match(reply) else None
    if not program or (shown.product and shown.product != program[0]):
        return None
    return replace(shown, product=program[0], version=program[1])


def _icon(answer: bytes) -> bytes:
    """Return the icon in an answer; empty if the server has none, or it is larger than is fetched."""
    head = _HEAD_END.search(answer)
    if not head or not _FOUND.match(answer) or _PAGE.search(answer, 0, head.end()):
        return b""
    length = _LENGTH.search(answer, 0, head.end())
    body = answer[head.end() :]
    return body if length and int(length[1]) == len(body) else b""


def request(target: Target, path: str = "/", encoding: str = "") -> bytes:
    """Return the request for a page of the host, by its name where one is known (RFC 9112 3).

    target: the port; path: printable ASCII without blanks; anything else is asked for as `/`.
    encoding: one that the answer may have, empty for none.
    """
    path = path if _PATH.fullmatch(path) else "/"
    head = f"Host: {host_of(target)}\r\nUser-Agent: {target.user_agent}\r\nAccept: */*\r\nConnection: close"
    head += f"\r\nAccept-Encoding: {encoding}" if encoding else ""
    return f"GET {path} HTTP/1.1\r\n{head}\r\n\r\n".encode()


def host_of(target: Target) -> str:
    """Return the host to ask for, by its name where one is known, with the port where it is not the usual one."""
    host = target.name or (f"[{target.address}]" if ":" in target.address else target.address)
    return host if target.port in _DEFAULT_PORTS else f"{host}:{target.port}"


def is_complete(raw: bytes) -> bool:
    """Return whether an answer is all there: its head, and the length it announces."""
    raw = final(raw)
    head = _HEAD_END.search(raw)
    if not head:
        return False
    length = _LENGTH.search(raw, 0, head.end())
    return bool(length and len(raw) >= head.end() + int(length[1]))


def server_header(raw: bytes) -> Fingerprint | None:
    """The value of a Server header alone."""
    return recognise(b"HTTP/1.1 200 OK\r\nServer: " + raw.split(b"\n", 1)[0])


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
    ports=(80, 81, 591, 2375, 2812, 3000, 5000, 5601, 5985, 7001, 8000, 8008, 8080, 8081, 8088, 8888, 9000, 9090, 9200),
    tls_ports=(443, 4443, 8443, 9443, 10443),
    words=request,
    is_complete=is_complete,
    ask_more=ask_more,
    likelihood=0,
    aliases=("title", "html", "http.server", "http-proxy"),
    parts={"http.server": server_header},
)
