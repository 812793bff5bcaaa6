"""One connection of a probe: TCP, with TLS if asked for, or UDP. Bounded in time and bytes; opened by net.py only.

What the network does comes back as a ConnectionStatus, never as an exception.
"""

import asyncio
import asyncio.sslproto
import errno
import ipaddress
import ssl
from collections.abc import Callable
from typing import Final, cast

from cobalt_tasks.protocols.base import ConnectionStatus, StartTls
from workers.handshakes import HANDSHAKES, SILENT_HOSTS
from workers.tls import BEFORE_1_3, MADE, chain_of, context_for

MOST_BYTES: Final = 16 * 1024
"""Bytes accepted from one connection, all in all; the rest is left unread."""

LULL: Final = 0.05
"""Seconds without a byte, after which an answer that has started is over, plus what distance adds."""

_LULL_INCOMPLETE: Final = 0.3
"""The same for an answer that is known to be incomplete."""

# Each connection with TLS would otherwise have a buffer of 256 KiB.
asyncio.sslproto.SSLProtocol.max_size = 16 * 1024


_ANSWERS: Final = frozenset({ConnectionStatus.REFUSED, ConnectionStatus.RESET})
"""Ends of a handshake that a host has to send a packet for."""


class Connection:
    """One TCP connection under a deadline. Once it is not open, every operation is over at once, with nothing."""

    def __init__(self, deadline: float, context: ssl.SSLContext) -> None:
        """Prepare a connection without opening it.

        deadline: by the event loop's clock, for all operations together; context: of TLS, used by `start_tls`.
        """
        self._loop = asyncio.get_running_loop()
        self._deadline = deadline
        self._context = context
        self._inbox = _Inbox()
        self._transport: asyncio.Transport | None = None
        self._failed: ConnectionStatus | None = ConnectionStatus.CLOSED
        self.rtt = 0.0
        """Seconds the handshake of TCP took: how far away the peer is."""
        self.tls: str | None = None
        """The version of TLS and the cipher suite, once there is TLS."""
        self.reason: str | None = None
        """The error of the TLS library when the handshake failed."""
        self.certificate: bytes | None = None
        """The peer's certificate as DER, not verified; also of a handshake that failed after it."""
        self.chain: tuple[bytes, ...] = ()
        """The certificates that came with it."""
        self.alpn: str | None = None
        """The protocol inside TLS that the server chose."""

    @property
    def status(self) -> ConnectionStatus:
        """How the connection stands. Bytes that came before it ended can still be received."""
        return self._failed or self._inbox.ended or ConnectionStatus.OPEN

    async def open(self, address: str, port: int) -> None:
        """Connect, until the deadline at most; `status` has the result.

        address: IPv4 or IPv6, no host name; port: 1 to 65535.
        """
        if SILENT_HOSTS.is_silent(address):
            self._failed = ConnectionStatus.TIMEOUT
            return
        started = self._loop.time()
        try:
            async with asyncio.timeout_at(min(self._deadline, started + HANDSHAKES.longest)):
                self._transport, _ = await self._loop.create_connection(lambda: self._inbox, address, port)
        except OSError as error:
            self._failed = status_of(error)
            if self._failed is ConnectionStatus.TIMEOUT and started < self._deadline:
                SILENT_HOSTS.timed_out(address)
            elif self._failed in _ANSWERS:
                SILENT_HOSTS.answered(address)
        else:
            self._failed = None
            SILENT_HOSTS.answered(address)
            self.rtt = self._loop.time() - started
            HANDSHAKES.add(self.rtt)

    def send(self, data: bytes) -> None:
        """Send a few bytes; a peer that does not take them shows in the answer."""
        if data and self.status is ConnectionStatus.OPEN and self._transport is not None:
            self._transport.write(data)

    async def receive(self, limit: int, *, wait: float, complete: Callable[[bytes], bool] | None = None) -> bytes:
        """Return what the peer sends, at most `limit` bytes. No answer leaves the connection open.

        wait: seconds for the first byte, on top of two round trips. The answer ends when the peer pauses or closes,
        or when `complete` returns True for the bytes so far.
        """
        until = self._loop.time() + wait + 2 * self.rtt
        while not self._failed and len(self._inbox.bytes) < limit and await self._more(until):
            if complete and complete(bytes(self._inbox.bytes)):
                break
            until = self._loop.time() + (_LULL_INCOMPLETE if complete else LULL) + self.rtt
        return self._inbox.take(limit)

    async def start_tls(self, step: StartTls) -> bool:
        """Do the TLS handshake as a step describes it; return whether it worked."""
        if self.status is not ConnectionStatus.OPEN or self._transport is None:
            return False
        until = min(self._deadline, self._loop.time() + step.wait + 4 * self.rtt)
        made: list[ssl.SSLObject] = []
        MADE.set(made)
        try:
            async with asyncio.timeout_at(until):
                is_special = step.alpn or step.highest or step.without
                context = context_for(step.alpn, step.highest, step.without) if is_special else self._context
                transport = await self._loop.start_tls(self._transport, self._inbox, context, server_hostname=step.name)
        except TimeoutError:
            self._failed = ConnectionStatus.TIMEOUT
        except ssl.SSLError as error:
            self._failed, self.reason = ConnectionStatus.NO_TLS, error.reason
        except OSError as error:
            self._failed = status_of(error)
        else:
            self._secured(transport)
        if self._failed and made:
            self._shown(made[0])
        return self._failed is None

    def abort(self) -> None:
        """Close at once, without another word."""
        if self._transport is not None:
            self._transport.abort()

    def _secured(self, transport: asyncio.Transport | None) -> None:
        if transport is None:
            self._failed = ConnectionStatus.CLOSED
            return
        self._transport = self._inbox.transport = transport
        secured: ssl.SSLObject = transport.get_extra_info("ssl_object")
        cipher = secured.cipher()
        self.tls = f"{secured.version()} {cipher[0] if cipher else ''}".rstrip()
        self.certificate = secured.getpeercert(binary_form=True)
        self.alpn = secured.selected_alpn_protocol()
        self.chain = tuple(chain_of(secured)[1:])

    def _shown(self, handshake: ssl.SSLObject) -> None:
        """Keep the certificate of a handshake that failed after it: a server that asks for ours shows its own first."""
        if chain := chain_of(handshake):
            self.certificate, self.chain = chain[0], tuple(chain[1:])
            self.tls = handshake.version() or BEFORE_1_3

    async def _more(self, until: float) -> bool:
        """Wait for new bytes; False when there are none in time, or nothing can come any more."""
        if self._inbox.ended:
            return False
        self._inbox.news.clear()
        try:
            async with asyncio.timeout_at(min(until, self._deadline)):
                await self._inbox.news.wait()
        except TimeoutError:
            if self._loop.time() >= self._deadline:
                self._failed = ConnectionStatus.TIMEOUT
            return False
        return True


class Datagrams:
    """Datagrams to and from one UDP port under a deadline; the same operations as Connection, but no TLS."""

    tls: str | None = None
    certificate: bytes | None = None
    chain: tuple[bytes, ...] = ()
    alpn: str | None = None
    reason: str | None = None

    def __init__(self, deadline: float, *, any_port: bool = False) -> None:
        """Not open yet.

        deadline: by the event loop's clock. any_port: answers from every port of the host are received; that the host
        refuses the port is then not noticed.
        """
        self._loop = asyncio.get_running_loop()
        self._deadline = deadline
        self._any_port = any_port
        self._peer: tuple[str, int] | None = None
        self._inbox = _DatagramInbox()
        self._transport: asyncio.DatagramTransport | None = None
        self._failed: ConnectionStatus | None = ConnectionStatus.CLOSED

    @property
    def status(self) -> ConnectionStatus:
        """How it stands. REFUSED: the host answered that the port is closed."""
        return self._failed or self._inbox.ended or ConnectionStatus.OPEN

    async def open(self, address: str, port: int) -> None:
        """Open a socket that receives datagrams only from one host, and from one port unless `any_port` was set.

        address: IPv4 or IPv6, no host name; port: 1 to 65535, where datagrams are sent.
        """
        remote: tuple[str, int] | None = (address, port)
        local = None
        if self._any_port:
            self._inbox.only_from = ipaddress.ip_address(address)
            self._peer, remote, local = remote, None, ("::" if ":" in address else "0.0.0.0", 0)  # noqa: S104  # to send from
        try:
            self._transport, _ = await self._loop.create_datagram_endpoint(
                lambda: self._inbox, local_addr=local, remote_addr=remote
            )
        except OSError as error:
            self._failed = status_of(error)
        else:
            self._failed = None

    def send(self, data: bytes) -> None:
        """Send one datagram."""
        if data and self.status is ConnectionStatus.OPEN and self._transport is not None:
            self._transport.sendto(data, self._peer)

    async def receive(self, limit: int, *, wait: float, complete: Callable[[bytes], bool] | None = None) -> bytes:
        """Return the first datagram that comes within `wait` seconds, or all until `complete` returns True, up to `limit`."""
        until = min(self._deadline, self._loop.time() + wait)
        inbox = self._inbox
        while not self._failed and not inbox.ended and len(inbox.bytes) < limit:
            if inbox.bytes and (complete is None or complete(bytes(inbox.bytes))):
                break
            inbox.news.clear()
            try:
                async with asyncio.timeout_at(until):
                    await inbox.news.wait()
            except TimeoutError:
                break
        return inbox.take(limit)

    async def start_tls(self, _: StartTls) -> bool:
        """Return False: there is no TLS over datagrams."""
        return False

    def abort(self) -> None:
        """Close."""
        if self._transport is not None:
            self._transport.abort()


class _DatagramInbox(asyncio.DatagramProtocol):
    """The datagrams that have arrived, up to MOST_BYTES."""

    def __init__(self) -> None:
        self.bytes = bytearray()
        self.ended: ConnectionStatus | None = None
        self.news = asyncio.Event()
        self.only_from: ipaddress.IPv4Address | ipaddress.IPv6Address | None = None

    def datagram_received(self, data: bytes, source: tuple[str, int]) -> None:
        if self.only_from and ipaddress.ip_address(source[0].partition("%")[0]) != self.only_from:
            return
        self.bytes += data[: MOST_BYTES - len(self.bytes)]
        self.news.set()

    def error_received(self, exc: Exception) -> None:
        self.ended = self.ended or status_of(exc)
        self.news.set()

    def take(self, limit: int) -> bytes:
        taken = bytes(self.bytes[:limit])
        del self.bytes[:limit]
        return taken


class _Inbox(asyncio.Protocol):
    """What has arrived, up to MOST_BYTES; keeps it when the connection breaks."""

    def __init__(self) -> None:
        self.bytes = bytearray()
        self.ended: ConnectionStatus | None = None
        self.news = asyncio.Event()
        self.transport: asyncio.Transport | None = None
        self._room = MOST_BYTES

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.bytes += data[: self._room]
        self._room -= min(self._room, len(data))
        if not self._room:
            self._end(ConnectionStatus.CLOSED)
            if self.transport is not None:
                self.transport.pause_reading()
        self.news.set()

    def eof_received(self) -> None:
        self._end(ConnectionStatus.CLOSED)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(status_of(exc) if exc else ConnectionStatus.CLOSED)

    def take(self, limit: int) -> bytes:
        taken = bytes(self.bytes[:limit])
        del self.bytes[:limit]
        return taken

    def _end(self, status: ConnectionStatus) -> None:
        self.ended = self.ended or status
        self.news.set()


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
