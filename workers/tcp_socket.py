"""A TCP socket in the event loop without a transport: a silent port costs a third of the processor time that one takes."""

import asyncio
import os
import socket
from contextlib import suppress

from cobalt_tasks.protocols.base import ConnectionStatus
from workers.inbox import MOST_BYTES, Inbox, status_of


class StreamInbox(Inbox, asyncio.Protocol):
    """The bytes of a stream, up to MOST_BYTES in all. A transport fills it inside TLS, a TcpSocket before."""

    def __init__(self) -> None:
        """Hold nothing yet; in the loop."""
        super().__init__()
        self.transport: asyncio.Transport | None = None
        self._room = MOST_BYTES

    @property
    def is_full(self) -> bool:
        """Whether nothing more is accepted."""
        return not self._room

    def data_received(self, data: bytes) -> None:
        """Keep what still has room."""
        kept = data[: self._room]
        self._room -= len(kept)
        if self.is_full:
            self.end(ConnectionStatus.CLOSED)
            if self.transport is not None:
                self.transport.pause_reading()
        self.add(kept)

    def eof_received(self) -> None:
        """Note the end."""
        self.end(ConnectionStatus.CLOSED)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end, and why."""
        self.end(status_of(exc) if exc else ConnectionStatus.CLOSED)


class TcpSocket:
    """One connection in the clear. What comes goes into the inbox, and so does the error that ends it."""

    def __init__(self, inbox: StreamInbox) -> None:
        """Not connected yet. `inbox`: of this connection alone."""
        self._loop = asyncio.get_running_loop()
        self._inbox = inbox
        self._socket: socket.socket | None = None
        self._unsent = b""

    async def connect(self, address: str, port: int, until: float) -> None:
        """Connect.

        address: IPv4 or IPv6, no host name; port: 1 to 65535; until: by the loop's clock.

        Raises:
            OSError: that failed; TimeoutError: it took too long.

        """
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        made = self._socket = socket.socket(family, socket.SOCK_STREAM)
        made.setblocking(False)
        with suppress(BlockingIOError):
            made.connect((address, port))
        # By its number: the loop looks sockets up by theirs, and makes texts of those it does not know.
        number = made.fileno()
        self._loop.add_writer(number, self._inbox.wake)
        try:
            is_ready = await self._inbox.news(until)
        finally:
            self._loop.remove_writer(number)
        if not is_ready:
            raise TimeoutError
        if code := made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(code, os.strerror(code))
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._loop.add_reader(number, self._read)

    def send(self, data: bytes) -> None:
        """Send some bytes, in the background what the peer does not take at once."""
        if self._socket is None:
            return
        if self._unsent:
            self._unsent += data
            return
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._end(status_of(error))
            return
        self._unsent = data[sent:]
        if self._unsent:
            self._loop.add_writer(self._socket.fileno(), self._send_rest)

    def release(self) -> tuple[socket.socket, bytes] | None:
        """Return the socket, which the caller closes from now on, and what is still to be sent; None if it is closed."""
        released, self._socket = self._socket, None
        if released is None:
            return None
        self._forget(released)
        return released, self._unsent

    def close(self) -> None:
        """Close at once."""
        if (released := self.release()) is not None:
            released[0].close()

    def _forget(self, forgotten: socket.socket) -> None:
        self._loop.remove_reader(forgotten.fileno())
        if self._unsent:
            self._loop.remove_writer(forgotten.fileno())

    def _read(self) -> None:
        if self._socket is None:
            return
        try:
            data = self._socket.recv(MOST_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._end(status_of(error))
            return
        if not data:
            self._end(ConnectionStatus.CLOSED)
            return
        self._inbox.data_received(data)
        if self._inbox.is_full:
            self._loop.remove_reader(self._socket.fileno())

    def _send_rest(self) -> None:
        rest, self._unsent = self._unsent, b""
        if self._socket is not None:
            self._loop.remove_writer(self._socket.fileno())
            self.send(rest)

    def _end(self, status: ConnectionStatus) -> None:
        self._inbox.end(status)
        self.close()
