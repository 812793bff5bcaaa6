"""The stream of `/api/stream`: server-sent events, every two seconds the whole document, so that a lost one does no harm; or
once the whole and then what is different, which open pages ask for.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
from fastapi.sse import EventSourceResponse, format_sse_event
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from cobalt_tasks.core.errors import CobaltError
from cobalt_tasks.views.dashboard import differences
from cobalt_tasks.views.dashboard.security import client_of

EVERY_SECONDS = 2.0
_RETRY_MILLISECONDS = 2000
MOST = 300
"""Streams open at once; a later client polls."""

MOST_OF_ONE = 250
"""Streams of one client address: a reverse proxy is one too."""


class Streams:
    """The open streams of one process. All of it runs on the event loop."""

    def __init__(self) -> None:
        """Start without streams."""
        self._open: Counter[str] = Counter()
        self._stopping = asyncio.Event()
        self._newest: StreamedDocument | None = None
        self._making: asyncio.Future[StreamedDocument] | None = None

    def admit(self, client: str) -> bool:
        """Count one more stream of a client, if there is room for it; `release` ends it."""
        if self._stopping.is_set() or self._open.total() >= MOST or self._open[client] >= MOST_OF_ONE:
            return False
        self._open[client] += 1
        return True

    def release(self, client: str) -> None:
        """Count one stream of a client less."""
        self._open[client] -= 1
        if not self._open[client]:
            del self._open[client]

    def stop(self) -> None:
        """End every stream soon, so that the server can stop; called on the event loop."""
        self._stopping.set()

    async def events(self, document: Callable[[], object]) -> AsyncIterator[bytes]:
        """Yield the whole document again and again, until the client goes or the server stops. `document` runs in a thread."""
        yield format_sse_event(retry=_RETRY_MILLISECONDS)
        while not self._stopping.is_set():
            yield (await _made(document, None)).whole()
            await self._wait(EVERY_SECONDS)

    async def differences(self, document: Callable[[], object]) -> AsyncIterator[bytes]:
        """Yield the whole document, then what is different in it, until the client goes or the server stops.

        All streams share what is sent: the document is made and compared once for all of them. `document` runs in a thread.
        """
        yield format_sse_event(retry=_RETRY_MILLISECONDS)
        seen = None
        while not self._stopping.is_set():
            latest = await self._latest(document, seen)
            if latest is seen:
                continue
            # A version has no `before` any more once the next one is made.
            follows = seen is not None and latest.before is seen
            yield latest.difference if follows and latest.difference else latest.whole()
            seen = latest

    async def _latest(self, document: Callable[[], object], seen: "StreamedDocument | None") -> "StreamedDocument":
        """Return the newest version of the document, a newer one than `seen` unless the server stops."""
        if self._newest is None or self._newest is seen or time.monotonic() - self._newest.made_at > 2 * EVERY_SECONDS:
            self._making = self._making or asyncio.ensure_future(self._make(document))
            # Others wait for the same: one that goes leaves it to them.
            return await asyncio.shield(self._making)
        return self._newest

    async def _make(self, document: Callable[[], object]) -> "StreamedDocument":
        try:
            if self._newest is not None and (rest := self._newest.made_at + EVERY_SECONDS - time.monotonic()) > 0:
                await self._wait(rest)
            if not self._stopping.is_set() or self._newest is None:
                self._newest = await _made(document, self._newest)
            return self._newest
        finally:
            self._making = None

    async def _wait(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return


class StreamedDocument:
    """The document at one time, and what is different from the version before."""

    def __init__(self, document: Any, trouble: str | None, before: "StreamedDocument | None") -> None:
        """Compare it.

        Args:
            document: of JSON types; None where it could not be made.
            trouble: the reason for that.
            before: the version before; None for the first.

        """
        self.made_at = time.monotonic()
        self.before = before
        self.document = document
        self.trouble = trouble
        self._whole = b""
        self.difference = b""
        if before is not None:
            # A chain of all versions would never be let go.
            before.before = None
            if before.document is not None and document is not None:
                found = differences.between(before.document, document)
                if found is not None:
                    self.difference = _event("change", found)

    def whole(self) -> bytes:
        """Return the event that has all of it, or the trouble."""
        if not self._whole:
            self._whole = _event("data", self.document) if self.trouble is None else _event("trouble", self.trouble)
        return self._whole


class EventResponse(EventSourceResponse):
    """A stream that is counted from before its first byte until its connection is gone."""

    def __init__(self, streams: Streams, document: Callable[[], object], *, changes: bool) -> None:
        """Prepare the answer.

        Args:
            streams: counts it.
            document: returns what is sent, and runs in a thread.
            changes: send only what is different, after the first event.

        """
        events = streams.differences(document) if changes else streams.events(document)
        super().__init__(events, headers={"X-Accel-Buffering": "no"})
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events, or 503 when too many streams are open."""
        client = client_of(scope)
        if not self._streams.admit(client):
            busy = PlainTextResponse("Too many streams are open: ask /api/data instead.\n", 503)
            await busy(scope, receive, send)
            return
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._streams.release(client)


async def _made(document: Callable[[], object], before: StreamedDocument | None) -> StreamedDocument:
    """Return a version of the document, which is made in a thread; `before`: what it is compared with."""

    def make() -> StreamedDocument:
        try:
            found = msgspec.to_builtins(document())
        except CobaltError as error:
            return StreamedDocument(None, str(error), before)
        return StreamedDocument(found, None, before)

    return await run_in_threadpool(make)


def _event(name: str, document: object) -> bytes:
    return format_sse_event(event=name, data_str=msgspec.json.encode(document).decode())
