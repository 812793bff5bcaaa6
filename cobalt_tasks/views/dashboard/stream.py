"""The stream of `/api/stream`: the whole document as a server-sent event every two seconds, so that a lost one does no harm."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable

import msgspec
from fastapi.sse import EventSourceResponse, format_sse_event
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from cobalt_tasks.core.errors import CobaltError
from cobalt_tasks.views.dashboard.security import client_of

EVERY_SECONDS = 2.0
_RETRY_MILLISECONDS = 2000
MOST = 100
"""Streams open at once; a later client polls."""

MOST_OF_ONE = 50
"""Streams of one client address: a reverse proxy is one too."""


class Streams:
    """The open streams of one process. All of it runs on the event loop."""

    def __init__(self) -> None:
        """Start without streams."""
        self._open: Counter[str] = Counter()
        self._stopping = asyncio.Event()

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
        """Yield events until the client goes or the server stops. `document` runs in a thread."""
        yield format_sse_event(retry=_RETRY_MILLISECONDS)
        while not self._stopping.is_set():
            yield await _event(document)
            try:
                await asyncio.wait_for(self._stopping.wait(), EVERY_SECONDS)
            except TimeoutError:
                continue


class EventResponse(EventSourceResponse):
    """A stream that is counted from before its first byte until its connection is gone."""

    def __init__(self, streams: Streams, document: Callable[[], object]) -> None:
        """Prepare the answer. `streams`: counts it; `document`: returns what each event has, and runs in a thread."""
        super().__init__(streams.events(document), headers={"X-Accel-Buffering": "no"})
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


async def _event(document: Callable[[], object]) -> bytes:
    try:
        found = await run_in_threadpool(document)
    except CobaltError as error:
        return format_sse_event(event="trouble", data_str=msgspec.json.encode(str(error)).decode())
    return format_sse_event(event="data", data_str=msgspec.json.encode(found).decode())
