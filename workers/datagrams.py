"""Datagrams of a probe to and from one UDP port, bounded in time and bytes; opened by net.py only."""

import asyncio
import ipaddress
from collections.abc import Callable

from cobalt_tasks.protocols.base import ConnectionStatus, StartTls
from workers.inbox import MOST_BYTES, Inbox, status_of


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
            if not await inbox.news(until):
                break
        return inbox.take(limit)

    async def start_tls(self, _: StartTls) -> bool:
        """Return False: there is no TLS over datagrams."""
        return False

    def abort(self) -> bool:
        """Close; return whether the loop does so in its next round only."""
        if self._transport is not None:
            self._transport.abort()
        return self._transport is not None


class _DatagramInbox(Inbox, asyncio.DatagramProtocol):
    """The datagrams that have arrived, up to MOST_BYTES."""

    def __init__(self) -> None:
        super().__init__()
        self.only_from: ipaddress.IPv4Address | ipaddress.IPv6Address | None = None

    def datagram_received(self, data: bytes, source: tuple[str, int]) -> None:
        if self.only_from and ipaddress.ip_address(source[0].partition("%")[0]) != self.only_from:
            return
        self.add(data[: MOST_BYTES - len(self.bytes)])

    def error_received(self, exc: Exception) -> None:
        self.end(status_of(exc))
