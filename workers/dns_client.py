"""Sends questions to DNS servers: over UDP, many at once through few sockets; over TCP what does not fit a datagram."""

import asyncio
import contextlib
import os
import socket
import time
from typing import Final

from cobalt_tasks.protocols.dns_messages import DnsMessage, parse, query

Address = tuple[str, int]
"""Address and port of a server."""

_LARGEST: Final = 4096
_QUESTIONS_PER_SOCKET: Final = 512
"""After so many questions a socket is replaced: its port is half of what a forger has to guess."""

_READ_AT_ONCE: Final = 64
_BUFFER: Final = 1 << 20
"""Bytes of answers that wait to be read: hundreds may come while the process is busy."""

_APART: Final = 0.02
"""Seconds between two looks for late answers, at least."""
_SILENT_SECONDS: Final = 30.0
"""How long a silent server is asked only after the others."""

_TIMEOUTS: Final = 3
"""Questions in a row without an answer that make a server a silent one."""

_silent_until: dict[Address, float] = {}
_timeouts: dict[Address, int] = {}
"""What this process knows of servers: it outlives a batch of jobs."""


def is_silent(server: Address) -> bool:
    """Return whether a server did not answer of late."""
    return _silent_until.get(server, 0.0) > time.monotonic()


class DnsClient:
    """Asks one server, in one event loop. Its sockets are closed whenever no answer is awaited."""

    def __init__(self, server: Address) -> None:
        """Open nothing yet; `server` is an address and a port."""
        self._server = server
        self._socket: _Socket | None = None

    async def ask(self, asked: bytes, until: float) -> DnsMessage | None:
        """Return the answer to a question; None if none came.

        Args:
            asked: the question.
            until: the latest time of the answer, by the event loop's clock.

        """
        reply = await self._exchange(asked, until)
        self._remember(is_answered=reply is not None)
        if reply is not None and reply.truncated:
            return await self._ask_over_tcp(asked, until)
        return reply

    async def _exchange(self, asked: bytes, until: float) -> DnsMessage | None:
        loop = asyncio.get_running_loop()
        if self._socket is None or not self._socket.is_usable(loop):
            try:
                self._socket = _Socket(loop, self._server)
            except OSError:
                return None
        return await self._socket.ask(asked, until)

    def _remember(self, *, is_answered: bool) -> None:
        if is_answered:
            _timeouts.pop(self._server, None)
            _silent_until.pop(self._server, None)
            return
        _timeouts[self._server] = _timeouts.get(self._server, 0) + 1
        if _timeouts[self._server] >= _TIMEOUTS:
            _silent_until[self._server] = time.monotonic() + _SILENT_SECONDS

    async def _ask_over_tcp(self, asked: bytes, until: float) -> DnsMessage | None:
        message = query(_identity(), asked)
        with contextlib.suppress(OSError, EOFError, TimeoutError):
            async with asyncio.timeout_at(until):
                reader, writer = await asyncio.open_connection(*self._server)
                try:
                    writer.write(len(message).to_bytes(2, "big") + message)
                    size = int.from_bytes(await reader.readexactly(2), "big")
                    received = await reader.readexactly(size)
                finally:
                    writer.transport.abort()
            if received[:2] == message[:2]:
                return parse(received, asked)
        return None


class _Socket:
    """One UDP socket, connected to a server: the kernel drops what comes from elsewhere."""

    def __init__(self, loop: asyncio.AbstractEventLoop, server: Address) -> None:
        family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
        self._loop = loop
        self._left = _QUESTIONS_PER_SOCKET
        self._pending: dict[int, tuple[bytes, asyncio.Future[DnsMessage | None], float]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
            self._socket.connect(server)
        except OSError:
            self._socket.close()
            raise
        self._is_open = True
        loop.add_reader(self._socket.fileno(), self._read)

    def is_usable(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Return whether another question may be asked in `loop`."""
        return self._is_open and self._loop is loop and self._left > 0

    async def ask(self, asked: bytes, until: float) -> DnsMessage | None:
        """Return the answer to a question; None if none came until a time of the loop's clock."""
        self._left -= 1
        identity = _identity()
        while identity in self._pending:
            identity = _identity()
        answer: asyncio.Future[DnsMessage | None] = self._loop.create_future()
        self._pending[identity] = asked, answer, until
        if self._timer is None or until < self._timer.when():
            self._wake_at(until)
        try:
            self._socket.send(query(identity, asked))
            return await answer
        except OSError:
            return None
        finally:
            self._pending.pop(identity, None)
            if not self._pending:
                self._close()

    def _wake_at(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._give_up_late)

    def _give_up_late(self) -> None:
        """End the questions that are late. One timer serves all: one for each costs as much as the question."""
        now = self._loop.time()
        for _, answer, until in self._pending.values():
            if until <= now:
                _give_up(answer)
        self._timer = None
        if waiting := [until for _, _, until in self._pending.values() if until > now]:
            self._wake_at(max(min(waiting), now + _APART))

    def _read(self) -> None:
        for _ in range(_READ_AT_ONCE):
            if not self._is_open:
                return
            try:
                message = self._socket.recv(_LARGEST)
            except BlockingIOError:
                return
            except OSError:
                # The server's host answered that there is no server.
                for _, answer, _ in self._pending.values():
                    _give_up(answer)
                return
            self._receive(message)

    def _receive(self, message: bytes) -> None:
        asked, answer, _ = self._pending.get(int.from_bytes(message[:2], "big"), (b"", None, 0.0))
        # What is no answer to the question may be forged: the right one may follow.
        if answer is not None and not answer.done() and (reply := parse(message, asked)):
            answer.set_result(reply)

    def _close(self) -> None:
        if self._is_open:
            self._is_open = False
            if self._timer is not None:
                self._timer.cancel()
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()


def _give_up(answer: asyncio.Future[DnsMessage | None]) -> None:
    if not answer.done():
        answer.set_result(None)


def _identity() -> int:
    return int.from_bytes(os.urandom(2), "big")
