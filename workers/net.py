"""The only opener of sockets for probes: deadlines, byte caps, scope; names go through resolvers.py.

What the network does comes back as a Status or an Answer, never as an exception.
"""

import asyncio
import copy
import errno
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Final, Self, cast

import dns.name
import dns.rdatatype

from cobalt_tasks.core.addresses import Scope, is_public
from cobalt_tasks.core.errors import OutOfScopeError
from workers.resolvers import DnsAnswer, Resolvers

MOST_OPEN: Final = 256
"""Jobs of one process that may hold a socket at a time."""

MOST_BYTES: Final = 16 * 1024
"""Bytes taken from one connection, all in all; the rest is left unread."""

LULL: Final = 0.05
"""Seconds without a byte, after which an answer that has begun is taken to be over, plus what distance adds."""

_LULL_INCOMPLETE: Final = 0.3
"""The same for an answer of which one can tell that it is not all there."""

_CIPHERS: Final = "ALL:!kDHE:!aNULL:!eNULL:!PSK:!SRP:@SECLEVEL=0"
"""Old ciphers too, but none where the server chooses the numbers: a Diffie-Hellman group of 10,000 bits costs seconds.
Neither are there any without a certificate.
"""


class Status(StrEnum):
    """How a connection stands, or how it ended."""

    OPEN = "open"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    RESET = "reset"
    CLOSED = "closed"
    NO_TLS = "no tls"
    """The TLS handshake failed."""
    EXHAUSTED = "exhausted"
    """This machine had no socket, port or memory left: says nothing about the target."""


class Connection:
    """One TCP connection under a deadline. Once it is not open, every operation is over at once, with nothing."""

    def __init__(self, deadline: float, context: ssl.SSLContext) -> None:
        """Not connected yet; `deadline` is by the event loop's clock."""
        self._loop = asyncio.get_running_loop()
        self._deadline = deadline
        self._context = context
        self._inbox = _Inbox()
        self._transport: asyncio.Transport | None = None
        self._failed: Status | None = Status.CLOSED
        self.rtt = 0.0
        """Seconds the handshake of TCP took: how far away the peer is."""
        self.tls: str | None = None
        """The version of TLS and the cipher suite, once there is TLS."""
        self.reason: str | None = None
        """What the TLS library said when the handshake failed."""
        self.certificate: bytes | None = None
        """The peer's certificate as DER, not verified."""

    @property
    def status(self) -> Status:
        """How the connection stands. Bytes that came before it ended can still be received."""
        return self._failed or self._inbox.ended or Status.OPEN

    async def open(self, address: str, port: int) -> None:
        """Connect."""
        started = self._loop.time()
        try:
            async with asyncio.timeout_at(self._deadline):
                self._transport, _ = await self._loop.create_connection(lambda: self._inbox, address, port)
        except OSError as error:
            self._failed = _status(error)
        else:
            self._failed = None
            self.rtt = self._loop.time() - started

    def send(self, data: bytes) -> None:
        """Send a few bytes; a peer that does not take them shows in the answer."""
        if self.status is Status.OPEN and self._transport is not None:
            self._transport.write(data)

    async def receive(self, limit: int, *, wait: float, complete: Callable[[bytes], bool] | None = None) -> bytes:
        """Return what the peer says, at most `limit` bytes.

        `wait` is for the first byte, in seconds on top of two round trips; after it the answer goes on until the peer pauses,
        or ends, or `complete` tells that it is all there. Nothing said leaves the connection open.
        """
        until = self._loop.time() + wait + 2 * self.rtt
        while not self._failed and len(self._inbox.bytes) < limit and await self._more(until):
            if complete and complete(bytes(self._inbox.bytes)):
                break
            until = self._loop.time() + (_LULL_INCOMPLETE if complete else LULL) + self.rtt
        return self._inbox.take(limit)

    async def start_tls(self, name: str | None, *, wait: float) -> bool:
        """Do the TLS handshake, with `name` as SNI; tell whether it worked. `wait` as for receive()."""
        if self.status is not Status.OPEN or self._transport is None:
            return False
        until = min(self._deadline, self._loop.time() + wait + 4 * self.rtt)
        try:
            async with asyncio.timeout_at(until):
                transport = await self._loop.start_tls(
                    self._transport, self._inbox, self._context, server_hostname=name
                )
        except TimeoutError:
            self._failed = Status.TIMEOUT
        except ssl.SSLError as error:
            self._failed, self.reason = Status.NO_TLS, error.reason
        except OSError as error:
            self._failed = _status(error)
        else:
            self._secured(transport)
        return self._failed is None

    def abort(self) -> None:
        """Close at once, without another word."""
        if self._transport is not None:
            self._transport.abort()

    def _secured(self, transport: asyncio.Transport | None) -> None:
        if transport is None:
            self._failed = Status.CLOSED
            return
        self._transport = self._inbox.transport = transport
        secured: ssl.SSLObject = transport.get_extra_info("ssl_object")
        cipher = secured.cipher()
        self.tls = f"{secured.version()} {cipher[0] if cipher else ''}".rstrip()
        self.certificate = secured.getpeercert(binary_form=True)

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
                self._failed = Status.TIMEOUT
            return False
        return True


class Net:
    """The network as probes may use it."""

    def __init__(
        self,
        scope: Scope,
        timeout: float,
        resolvers: Iterable[str] = (),
        *,
        most_open: int = MOST_OPEN,
        offline: bool = False,
    ) -> None:
        """Connect to nothing yet.

        scope: the networks that may be reached; timeout: seconds a job may take in total.
        resolvers: DNS servers as ADDRESS[:PORT]; without any the system's are asked, or none if `offline`.

        Raises:
            ConfigurationError: a resolver is no address with a port.

        """
        self.scope = scope
        self._timeout = timeout
        self._names: Mapping[str, str] = {}
        self._turns = asyncio.Semaphore(most_open)
        self._context = _lenient_context()
        self._resolvers = Resolvers(scope, tuple(resolvers), offline=offline)

    def knowing(self, names: Mapping[str, str]) -> Self:
        """Return the same network, with a host name for some addresses: for SNI and the Host header."""
        other = copy.copy(self)
        other._names = names  # noqa: SLF001  # its own kind
        return other

    def name_of(self, address: str) -> str | None:
        """Return the host name known for an address."""
        return self._names.get(address)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[float]:
        """Wait for the right to one open socket; yield the deadline for all that is done with it, by the loop's clock."""
        async with self._turns:
            yield asyncio.get_running_loop().time() + self._timeout

    @asynccontextmanager
    async def connect(self, address: str, port: int, *, deadline: float) -> AsyncIterator[Connection]:
        """Connect, and close for sure. Whether it worked is the connection's status.

        Raises:
            OutOfScopeError: the address must not receive a packet; it has not.

        """
        if not self.scope.allows(address, discovered=True):
            raise OutOfScopeError(f"{address} is outside the scope or excluded")
        connection = Connection(deadline, self._context)
        try:
            await connection.open(address, port)
            yield connection
        finally:
            connection.abort()

    async def ask(
        self, name: dns.name.Name, kind: dns.rdatatype.RdataType, *, about: str, deadline: float
    ) -> DnsAnswer:
        """Return what the resolvers answer about a name.

        about: the host the question is about: about a private one, or one with a private address inside, only resolvers
        with private addresses are asked (RFC 6303).
        deadline: by the event loop's clock.
        """
        return await self._resolvers.ask(name, kind, is_private=not is_public(about), deadline=deadline)


class _Inbox(asyncio.Protocol):
    """What has arrived, up to MOST_BYTES; keeps it when the connection breaks."""

    def __init__(self) -> None:
        self.bytes = bytearray()
        self.ended: Status | None = None
        self.news = asyncio.Event()
        self.transport: asyncio.Transport | None = None
        self._room = MOST_BYTES

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.bytes += data[: self._room]
        self._room -= min(self._room, len(data))
        if not self._room:
            self._end(Status.CLOSED)
            if self.transport is not None:
                self.transport.pause_reading()
        self.news.set()

    def eof_received(self) -> None:
        self._end(Status.CLOSED)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(_status(exc) if exc else Status.CLOSED)

    def take(self, limit: int) -> bytes:
        taken = bytes(self.bytes[:limit])
        del self.bytes[:limit]
        return taken

    def _end(self, status: Status) -> None:
        self.ended = self.ended or status
        self.news.set()


_STATUSES: Final = {
    errno.ECONNREFUSED: Status.REFUSED,
    errno.ECONNRESET: Status.RESET,
    errno.ECONNABORTED: Status.RESET,
    errno.EPIPE: Status.RESET,
    errno.ETIMEDOUT: Status.TIMEOUT,
    errno.EMFILE: Status.EXHAUSTED,
    errno.ENFILE: Status.EXHAUSTED,
    errno.ENOBUFS: Status.EXHAUSTED,
    errno.ENOMEM: Status.EXHAUSTED,
    errno.EADDRNOTAVAIL: Status.EXHAUSTED,
}


def _status(error: Exception) -> Status:
    """Return the word for what the system said; what is not known is some way of not getting there."""
    if isinstance(error, TimeoutError):
        return Status.TIMEOUT
    if isinstance(error, ssl.SSLError):
        return Status.NO_TLS
    # asyncio raises its own, without a number, when a peer hangs up inside a handshake.
    if isinstance(error, ConnectionError) and error.errno is None:
        return Status.RESET
    number = error.errno if isinstance(error, OSError) else None
    return _STATUSES.get(number, Status.UNREACHABLE) if number else Status.UNREACHABLE


def _lenient_context() -> ssl.SSLContext:
    """Return what can talk to whatever is out there: old versions, old ciphers, nothing verified."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers(_CIPHERS)
    # Servers without RFC 5746; Python names the option from 3.12 on.
    context.options |= getattr(ssl, "OP_LEGACY_SERVER_CONNECT", 0x4)
    return context
