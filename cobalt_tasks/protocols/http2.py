"""HTTP/2: a request for the page, and the answer as HTTP/1.1 would write it (RFC 9113)."""

import re
from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from cobalt_tasks.protocols import hpack, web
from cobalt_tasks.protocols.base import Connect, ConnectionStatus, Protocol, Send, Steps, Target
from cobalt_tasks.protocols.fingerprint import Fingerprint

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _SETTINGS, _CONTINUATION = 0, 1, 4, 9
_END_STREAM, _END_HEADERS, _PADDED, _PRIORITY = 1, 4, 8, 0x20
_HEAD: Final = 9
_SETTING: Final = 6
_START: Final = re.compile(rb"\x00[\x00-\x02].\x04\x00\x00\x00\x00\x00", re.DOTALL)
_METHOD_GET, _PATH_ROOT, _SCHEME_HTTP, _SCHEME_HTTPS = b"\x82", b"\x84", b"\x86", b"\x87"
_AUTHORITY, _PATH, _USER_AGENT = b"\x01", b"\x04", b"\x0f\x2b"
"""Literal fields, not to be indexed, with a name of the static table."""

_LONGEST: Final = 126
_INFORMATIONAL: Final = b"1"


def recognise(raw: bytes) -> Fingerprint | None:
    """The settings of a server come first (RFC 9113 3.4, 6.5); its answer shows what one of HTTP/1.1 does."""
    if not _START.match(raw) or int.from_bytes(raw[:3], "big") % _SETTING:
        return None
    shown = web.recognise(as_text(raw)) or Fingerprint("http")
    return replace(shown, info=shown.info or "HTTP/2")


def ask_more(target: Target, raw: bytes, known: Fingerprint) -> Steps[Fingerprint | None]:
    """Ask a server for its page that has shown its settings only; then look as far as with HTTP/1.1.

    target: the port; raw: what it answered; known: what that showed.
    """

    def fetch(path: str, _encoding: str, limit: int | None) -> Steps[bytes | None]:
        opened = yield Connect()
        if opened.status is not ConnectionStatus.OPEN:
            return None
        step = Send(request(target, path, in_tls=opened.tls is not None), is_complete=is_complete)
        return as_text((yield step if limit is None else replace(step, limit=limit, is_evidence=False)).data)

    page, shown = as_text(raw), known
    if not page:
        page = (yield from fetch("/", "", None)) or b""
        shown = web.recognise(page) or known
    found = (yield from web.look_further(page, shown, fetch)) or shown
    return replace(found, info=found.info or "HTTP/2") if found is not known else None


def request(target: Target, path: str = "/", *, in_tls: bool = False) -> bytes:
    """Return the preface, and the request for a page of a host.

    target: the port; path: of the page; in_tls: whether TLS is around it.
    """
    scheme = _SCHEME_HTTPS if in_tls else _SCHEME_HTTP
    fields = (
        _METHOD_GET
        + scheme
        + (_PATH_ROOT if path == "/" else _PATH + _text(path))
        + _AUTHORITY
        + _text(web.host_of(target))
        + _USER_AGENT
        + _text(target.user_agent)
    )
    return _PREFACE + _frame(_SETTINGS, 0, 0, b"") + _frame(_HEADERS, _END_STREAM | _END_HEADERS, 1, fields)


def is_complete(raw: bytes) -> bool:
    """Return whether the answer to the request has ended."""
    return any(stream and kind in {_DATA, _HEADERS} and flags & _END_STREAM for kind, flags, stream, _ in _frames(raw))


def as_text(raw: bytes) -> bytes:
    """Return the answer in frames as a head and a body of HTTP/1.1; empty without a head."""
    known: list[hpack.Field] = []
    block, head, body = b"", b"", b""
    for kind, flags, stream, payload in _frames(raw):
        if not stream:
            continue
        content = _content(kind, flags, payload)
        if kind in {_HEADERS, _CONTINUATION}:
            block = content if kind == _HEADERS else block + content
            if flags & _END_HEADERS:
                head = head or _head(hpack.decode(block, known))
        elif kind == _DATA:
            body += content
    return head + b"\r\n" + body if head else b""


def _head(fields: list[hpack.Field]) -> bytes:
    """Return status line and fields; empty for an answer that goes before another one (RFC 9110 15.2)."""
    status = next((value for name, value in fields if name == b":status"), _INFORMATIONAL)
    if status.startswith(_INFORMATIONAL):
        return b""
    lines = [name + b": " + value for name, value in fields if not name.startswith(b":")]
    return b"".join(line.translate(None, b"\r\n") + b"\r\n" for line in (b"HTTP/2 " + status, *lines))


def _content(kind: int, flags: int, payload: bytes) -> bytes:
    """Return what a frame holds, without padding and priority (RFC 9113 6.1, 6.2)."""
    padding = 0
    if flags & _PADDED and kind in {_DATA, _HEADERS} and payload:
        padding, payload = payload[0], payload[1:]
    if flags & _PRIORITY and kind == _HEADERS:
        payload = payload[5:]
    return payload[: max(0, len(payload) - padding)]


def _frames(raw: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Yield type, flags, stream and payload of each frame; the last one as far as it came."""
    at = 0
    while at + _HEAD <= len(raw):
        size = int.from_bytes(raw[at : at + 3], "big")
        stream = int.from_bytes(raw[at + 5 : at + _HEAD], "big") & 0x7FFFFFFF
        yield raw[at + 3], raw[at + 4], stream, raw[at + _HEAD : at + _HEAD + size]
        at += _HEAD + size


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def _text(value: str) -> bytes:
    coded = value.encode("ascii", "replace")[:_LONGEST]
    return bytes((len(coded),)) + coded


PROTOCOL = Protocol(
    name="http2",
    recognise=recognise,
    words=request,
    is_complete=is_complete,
    ask_more=ask_more,
    likelihood=2,
    rejects_http=True,
)
