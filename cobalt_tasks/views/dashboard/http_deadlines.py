"""HTTP connections with deadlines: uvicorn's own wait for ever for a client that does not write or does not read."""

import asyncio
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_SECONDS: Final = 10.0
"""From the start of a connection, or the first byte of a later request, to the end of its header and body."""

STALL_SECONDS: Final = 20.0
"""Time in which a client must read some of an answer that waits for it."""

CONNECTIONS: Final = 512
"""Open at once; one more ends the one that has waited longest for a request."""


class DeadlineProtocol(H11Protocol):
    """One connection."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Set no deadline yet."""
        super().__init__(*arguments, **options)
        self._request_deadline: asyncio.TimerHandle | None = None
        self._stall_deadline: asyncio.TimerHandle | None = None
        self._unread = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect a request soon; make room if there are too many connections."""
        super().connection_made(transport)
        self._expect_request()
        if len(self.connections) > CONNECTIONS:
            self._end_one_that_waits()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadlines."""
        self._end_request()
        self._end_stall()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Process what was received; a request that is not complete must be completed before its deadline."""
        super().handle_events()
        if self.conn.their_state in {h11.IDLE, h11.SEND_BODY}:
            self._expect_request()
        else:
            self._end_request()

    def timeout_keep_alive_handler(self) -> None:
        """Close, and not wait long for a client that has not read the answer."""
        super().timeout_keep_alive_handler()
        self.loop.call_later(STALL_SECONDS, self.transport.abort)

    def pause_writing(self) -> None:
        """The client reads slower than we write: it must read on."""
        super().pause_writing()
        self._watch_reading()

    def resume_writing(self) -> None:
        """The client has read."""
        super().resume_writing()
        self._end_stall()

    @property
    def is_waiting(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def _expect_request(self) -> None:
        if self._request_deadline is None:
            self._request_deadline = self.loop.call_later(REQUEST_SECONDS, self.transport.abort)

    def _end_request(self) -> None:
        if self._request_deadline is not None:
            self._request_deadline.cancel()
            self._request_deadline = None

    def _end_stall(self) -> None:
        if self._stall_deadline is not None:
            self._stall_deadline.cancel()
            self._stall_deadline = None

    def _watch_reading(self) -> None:
        self._unread = self.transport.get_write_buffer_size()
        self._stall_deadline = self.loop.call_later(STALL_SECONDS, self._require_reading)

    def _require_reading(self) -> None:
        if self.transport.get_write_buffer_size() >= self._unread:
            self.transport.abort()
        else:
            self._watch_reading()

    def _end_one_that_waits(self) -> None:
        """End the connection whose deadline for a request is nearest: it has waited longest."""
        others = (each for each in self.connections if isinstance(each, DeadlineProtocol) and each.is_waiting)
        if longest := min(others, key=_deadline, default=None):
            longest.transport.abort()


def _deadline(connection: DeadlineProtocol) -> float:
    timer = connection._request_deadline  # noqa: SLF001  # of this module
    return timer.when() if timer else 0.0
