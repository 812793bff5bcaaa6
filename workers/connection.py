"""One TCP connection of a probe, with TLS if asked for. Bounded in time and bytes; opened by net.py only.

What the network does comes back as a ConnectionStatus, never as an exception.
"""

import asyncio
import asyncio.sslproto
import ssl
from collections.abc import Callable
from typing import Final

from cobalt_tasks.protocols.base import ConnectionStatus, StartTls
from workers.handshake_bytes import NoRoomError
from workers.inbox import status_of
from workers.tcp_handshakes import HANDSHAKES, SILENT_HOSTS
from workers.tcp_socket import StreamInbox, TcpSocket
from workers.tls import BEFORE_1_3, HANDSHAKE, TOO_LONG, UNKNOWN_VERSION, TlsHandshake, chain_of, context_for

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
        self._inbox = StreamInbox()
        self._socket = TcpSocket(self._inbox)
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
        started = self._loop.time()
        if started >= self._deadline or SILENT_HOSTS.is_silent(address):
            self._failed = ConnectionStatus.TIMEOUT
            return
        try:
            await self._socket.connect(address, port, min(self._deadline, started + HANDSHAKES.longest))
        except OSError as error:
            self._failed = status_of(error)
            if self._failed is ConnectionStatus.TIMEOUT:
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
        if not data or self.status is not ConnectionStatus.OPEN:
            return
        if self._transport is not None:
            self._transport.write(data)
        else:
            self._socket.send(data)

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
        if self.status is not ConnectionStatus.OPEN:
            return False
        until = min(self._deadline, self._loop.time() + step.wait + 4 * self.rtt)
        handshake = TlsHandshake()
        HANDSHAKE.set(handshake)
        try:
            async with asyncio.timeout_at(until):
                is_special = step.alpn or step.highest or step.without
                context = context_for(step.alpn, step.highest, step.without) if is_special else self._context
                plain = await self._with_transport()
                transport = await self._loop.start_tls(plain, self._inbox, context, server_hostname=step.name)
        except TimeoutError:
            self._failed = ConnectionStatus.TIMEOUT
        except NoRoomError:
            self._failed = ConnectionStatus.EXHAUSTED
        except ssl.SSLError as error:
            self._failed, self.reason = ConnectionStatus.NO_TLS, error.reason
        except OSError as error:
            self._failed = status_of(error)
        else:
            self._secured(transport)
        if self._failed and handshake.made:
            self._shown(handshake.made)
        return self._failed is None

    def abort(self) -> bool:
        """Close at once, without another word; return whether the loop does so in its next round only."""
        self._socket.close()
        if self._transport is not None:
            self._transport.abort()
        return self._transport is not None

    async def _with_transport(self) -> asyncio.Transport:
        """Return the transport of the socket, which TLS needs."""
        if self._transport is None:
            released = self._socket.release()
            if released is None:
                raise ConnectionResetError
            plain, unsent = released
            self._transport, _ = await self._loop.create_connection(lambda: self._inbox, sock=plain)
            self._transport.write(unsent)
        return self._transport

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
        elif self.reason == TOO_LONG:
            self.tls = UNKNOWN_VERSION

    async def _more(self, until: float) -> bool:
        """Wait for new bytes; False when there are none in time, or nothing can come any more."""
        if self._inbox.ended:
            return False
        if await self._inbox.news(min(until, self._deadline)):
            return True
        if self._loop.time() >= self._deadline:
            self._failed = ConnectionStatus.TIMEOUT
        return False
