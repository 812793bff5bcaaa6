"""Server-sent events (WHATWG HTML 9.2): the whole document every two seconds, so that a lost one does no harm."""

import asyncio
from collections.abc import AsyncIterator, Callable

import msgspec
from starlette.concurrency import run_in_threadpool

from cobalt_tasks.errors import CobaltError

EVERY_SECONDS = 2.0
MOST = 100
"""Streams open at once; who comes later polls."""


class Streams:
    """The open streams of one process."""

    def __init__(self) -> None:
        """Begin with none."""
        self._open = 0
        self._stopping = asyncio.Event()

    @property
    def has_room(self) -> bool:
        """Whether one more stream may be opened."""
        return self._open < MOST and not self._stopping.is_set()

    def stop(self) -> None:
        """End every stream soon, so that the server can stop; called on the event loop."""
        self._stopping.set()

    async def events(self, document: Callable[[], object]) -> AsyncIterator[bytes]:
        """Yield events until the client goes or the server stops. `document` runs in a thread."""
        self._open += 1
        try:
            yield b"retry: 2000\n\n"
            while not self._stopping.is_set():
                yield await _event(document)
                try:
                    await asyncio.wait_for(self._stopping.wait(), EVERY_SECONDS)
                except TimeoutError:
                    continue
        finally:
            self._open -= 1


async def _event(document: Callable[[], object]) -> bytes:
    try:
        found = await run_in_threadpool(document)
    except CobaltError as error:
        return b"event: trouble\ndata: " + msgspec.json.encode(str(error)) + b"\n\n"
    # JSON has no raw line break, so one data line holds it.
    return b"event: data\ndata: " + msgspec.json.encode(found) + b"\n\n"
