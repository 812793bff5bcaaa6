"""What has arrived from a peer and is not read yet, up to MOST_BYTES; and what an error of the network means."""

import asyncio
import errno
import ssl
from typing import Final

from cobalt_tasks.protocols.base import ConnectionStatus

MOST_BYTES: Final = 16 * 1024
"""Bytes accepted from one connection, all in all; the rest is left unread."""


class Inbox:
    """Bytes of one peer, and how the connection ended. Keeps them when it breaks."""

    def __init__(self) -> None:
        """Hold nothing yet; in the loop."""
        self.bytes = bytearray()
        self.ended: ConnectionStatus | None = None
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[bool] | None = None

    async def news(self, until: float) -> bool:
        """Wait until more has arrived or the connection has ended; return False when there was nothing in time.

        until: by the loop's clock. One waits at a time.
        """
        # A timer and a future: asyncio.timeout and an event cost three times as much, for each answer of each target.
        waiter = self._waiter = self._loop.create_future()
        timer = self._loop.call_at(until, _settle, waiter, False)  # an argument of `_settle`
        try:
            is_news: bool = await waiter
            return is_news
        finally:
            timer.cancel()
            self._waiter = None

    def take(self, limit: int) -> bytes:
        """Return the oldest bytes, at most `limit`, and drop them."""
        taken = bytes(self.bytes[:limit])
        del self.bytes[:limit]
        return taken

    def add(self, data: bytes) -> None:
        """Keep more bytes."""
        self.bytes += data
        self.wake()

    def end(self, status: ConnectionStatus) -> None:
        """Note that nothing more will come. `status`: why; the first reason counts."""
        self.ended = self.ended or status
        self.wake()

    def wake(self) -> None:
        """End the wait of `news`."""
        if self._waiter is not None:
            _settle(self._waiter, True)  # an argument of `_settle`


def _settle(waiter: asyncio.Future[bool], is_news: bool) -> None:  # noqa: FBT001  # called by the loop, by position
    if not waiter.done():
        waiter.set_result(is_news)


_STATUSES: Final = {
    errno.ECONNREFUSED: ConnectionStatus.REFUSED,
    errno.ECONNRESET: ConnectionStatus.RESET,
    errno.ECONNABORTED: ConnectionStatus.RESET,
    errno.EPIPE: ConnectionStatus.RESET,
    errno.ETIMEDOUT: ConnectionStatus.TIMEOUT,
    errno.EMFILE: ConnectionStatus.EXHAUSTED,
    errno.ENFILE: ConnectionStatus.EXHAUSTED,
    errno.ENOBUFS: ConnectionStatus.EXHAUSTED,
    errno.ENOMEM: ConnectionStatus.EXHAUSTED,
    errno.EADDRNOTAVAIL: ConnectionStatus.EXHAUSTED,
}


def status_of(error: Exception) -> ConnectionStatus:
    """Map an OSError to a ConnectionStatus; unknown errors become UNREACHABLE."""
    if isinstance(error, TimeoutError):
        return ConnectionStatus.TIMEOUT
    if isinstance(error, ssl.SSLError):
        return ConnectionStatus.NO_TLS
    # asyncio raises its own, without a number, when a peer hangs up inside a handshake.
    if isinstance(error, ConnectionError) and error.errno is None:
        return ConnectionStatus.RESET
    number = error.errno if isinstance(error, OSError) else None
    return _STATUSES.get(number, ConnectionStatus.UNREACHABLE) if number else ConnectionStatus.UNREACHABLE
