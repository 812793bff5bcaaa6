"""The bytes of TLS handshakes that one process holds: certificates of up to 256 KiB, from up to a thousand servers at once."""

import asyncio
import ssl
import threading
from typing import Final

from cobalt_tasks.core import x509

LONGEST_CHAIN: Final = x509.LARGEST + 64 * 1024
"""Bytes of the certificates of one handshake: the largest that is read, and those that come with it."""

_SMALL: Final = 32 * 1024
"""Bytes of a job's handshakes that count as they are; for more, room for a longest chain is reserved at once."""

_MOST: Final = 12 << 20
"""Bytes of all small ones together, and room for all others; parsed, they take about three times as much memory."""


class NoRoomError(ssl.SSLError):
    """There is no room for more bytes of this handshake."""


class HandshakeBytes:
    """Counts the bytes of handshakes for the jobs that hold them, up to a bound for all of them together.

    Large ones have a bound of their own, so that a farm of them takes no room from the others; and as room is reserved for
    a whole chain, those that were let in can end.
    """

    def __init__(self, most: int = _MOST) -> None:
        """Hold none. `most`: bytes of all small ones, and room for all large ones."""
        self._most = most
        self._held: dict[asyncio.Task[object], int] = {}
        # Event loops of several threads may share one process.
        self._lock = threading.Lock()
        self.small = self.large = 0
        """Bytes of small ones, and room for large ones, that are taken now."""

    def take(self, holder: asyncio.Task[object], number: int) -> None:
        """Count more bytes for a job, until its task ends.

        holder: the task of the job; number: of bytes.

        Raises:
            NoRoomError: all jobs together would hold too many; these are not counted.

        """
        with self._lock:
            before = self._held.get(holder, 0)
            small, large = self._changed(before, before + number)
            if small > max(self.small, self._most) or large > max(self.large, self._most):
                raise NoRoomError("no room for more bytes of handshakes")
            if holder not in self._held:
                holder.add_done_callback(self._release)
            self._held[holder] = before + number
            self.small, self.large = small, large

    def is_holding(self, holder: asyncio.Task[object]) -> bool:
        """Return whether bytes are counted for a job."""
        return holder in self._held

    def _release(self, holder: asyncio.Task[object]) -> None:
        with self._lock:
            self.small, self.large = self._changed(self._held.pop(holder, 0), 0)

    def _changed(self, before: int, after: int) -> tuple[int, int]:
        """Return both totals once a job holds `after` bytes in place of `before`."""
        small = self.small - _small(before) + _small(after)
        return small, self.large - _reserved(before) + _reserved(after)


def _small(held: int) -> int:
    return held if held <= _SMALL else 0


def _reserved(held: int) -> int:
    """Return the room that is reserved for the bytes of one job: for whole chains."""
    return 0 if held <= _SMALL else -(-held // LONGEST_CHAIN) * LONGEST_CHAIN


HANDSHAKE_BYTES: Final = HandshakeBytes()
"""Those of this process."""
