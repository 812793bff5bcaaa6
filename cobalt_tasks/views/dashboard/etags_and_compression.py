"""How answers travel: with an ETag and 304 where nothing changed, compressed where the client asks for it."""

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Protocol

import xxhash
import zstandard
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LEAST: Final = 1024
"""A shorter answer fits into one packet as it is."""

_GZIP: Final = 16 + zlib.MAX_WBITS
_GZIP_LEVEL: Final = 5
_COMPRESSIBLE: Final = ("application/json", "application/x-ndjson", "image/svg+xml")
_STREAM: Final = "text/event-stream"


class Compressor(Protocol):
    """What compresses a body piece by piece."""

    def compress(self, data: bytes, /) -> bytes:
        """Return what is ready of the compressed body after one more piece."""

    def flush(self) -> bytes:
        """Return the rest."""


COMPRESSORS: Final[dict[str, Callable[[], Compressor]]] = {
    "zstd": lambda: zstandard.ZstdCompressor().compressobj(),
    "gzip": lambda: zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP),
}
"""Content codings, the best first."""


class Wire:
    """Adds an ETag to every whole answer to a GET, answers 304 to who has it, and compresses."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and an answer back."""
        if scope["type"] == "http":
            await self._app(scope, receive, _Answer(scope, send))
        else:
            await self._app(scope, receive, send)


class _Answer:
    """One answer on its way: its head is held back until the first piece of its body is there."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._request = Headers(scope=scope)
        self._is_get = scope["method"] == "GET"
        self._send = send
        self._start: Message = {}
        self._compressor: Compressor | None = None
        self._is_dropped = False

    async def __call__(self, message: Message) -> None:
        """Send one message of the answer."""
        if message["type"] == "http.response.start":
            self._start = message
            return
        if message["type"] != "http.response.body":
            await self._send(message)
            return
        if self._start:
            start, self._start = self._start, {}
            message = self._begin(start, message)
            await self._send(start)
            await self._send(message)
        elif not self._is_dropped:
            await self._send(self._packed(message))

    def _begin(self, start: Message, body: Message) -> Message:
        """Complete the head `start`; return the first piece of the body, `body`, as it is sent."""
        headers = MutableHeaders(scope=start)
        is_whole = not body.get("more_body", False)
        if start["status"] == 200 and self._is_get and is_whole and "etag" not in headers and _is_text(headers):  # noqa: PLR2004  # OK
            # Weak: the same for every coding of the same content.
            headers["etag"] = f'W/"{xxhash.xxh3_64_hexdigest(body["body"])}"'
        if start["status"] == 200 and _matches(headers.get("etag"), self._request.getlist("if-none-match")):  # noqa: PLR2004
            return self._not_modified(start, headers)
        return self._encode(start, headers, body, is_whole=is_whole)

    def _not_modified(self, start: Message, headers: MutableHeaders) -> Message:
        start["status"] = 304
        for name in ("content-length", "content-type", "content-disposition"):
            del headers[name]
        self._is_dropped = True
        return {"type": "http.response.body", "body": b"", "more_body": False}

    def _encode(self, start: Message, headers: MutableHeaders, body: Message, *, is_whole: bool) -> Message:
        """Compress the answer from its first piece `body` on, if the client asks for it and it is worth it."""
        if not _is_text(headers) or start["status"] in {204, 206, 304} or "content-encoding" in headers:
            return body
        headers.add_vary_header("Accept-Encoding")
        if is_whole and len(body["body"]) < _LEAST:
            return body
        coding = _chosen(self._request.get("accept-encoding", ""))
        if coding is None:
            return body
        self._compressor = COMPRESSORS[coding]()
        headers["content-encoding"] = coding
        etag = headers.get("etag")
        if etag is not None and not etag.startswith("W/"):
            headers["etag"] = f"W/{etag}"
        packed = self._packed(body)
        del headers["content-length"]
        if is_whole:
            headers["content-length"] = str(len(packed["body"]))
        return packed

    def _packed(self, message: Message) -> Message:
        if self._compressor is None:
            return message
        body = self._compressor.compress(message.get("body", b""))
        if not message.get("more_body", False):
            body += self._compressor.flush()
        return {**message, "body": body}


def _is_text(headers: Headers | MutableHeaders) -> bool:
    kind = headers.get("content-type", "").partition(";")[0].strip()
    return kind != _STREAM and (kind in _COMPRESSIBLE or kind.endswith("+json") or kind.startswith("text/"))


def _matches(etag: str | None, asked: Iterable[str]) -> bool:
    """Return whether the client has the content with this `etag`; asked: its If-None-Match headers."""
    if etag is None:
        return False
    names = {name.strip() for line in asked for name in line.split(",")}
    return "*" in names or etag.removeprefix("W/") in {name.removeprefix("W/") for name in names}


def _chosen(accepted: str) -> str | None:
    """Return the best coding that an Accept-Encoding header accepts, None for none (RFC 9110, 12.5.3)."""
    weights = dict(_weights(accepted))
    others = weights.get("*", 0.0)
    found = {name: weights.get(name, others) for name in COMPRESSORS}
    best = max(found, key=lambda name: found[name])
    return best if found[best] > 0 else None


def _weights(accepted: str) -> Iterator[tuple[str, float]]:
    for part in accepted.split(","):
        name, _, parameter = part.partition(";")
        key, _, value = parameter.partition("=")
        try:
            weight = float(value) if key.strip().lower() == "q" else 1.0
        except ValueError:
            weight = 0.0
        yield name.strip().lower(), weight
