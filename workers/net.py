"""The only opener of sockets for probes: deadlines, byte caps, scope; names go through resolvers.py.

It takes the steps of the conversations of cobalt_tasks/protocols. What the network does comes back as a ConnectionStatus or an
Answer, never as an exception.
"""

import asyncio
import copy
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Self

from cobalt_tasks.core.addresses import Scope, is_public
from cobalt_tasks.core.errors import OutOfScopeError
from cobalt_tasks.core.records import Job
from cobalt_tasks.protocols.base import Connect, ConnectionStatus, Send, StartTls, StepResult, Steps, T, Target
from cobalt_tasks.protocols.dns_messages import Labels, RecordType
from workers.connection import Connection
from workers.datagrams import Datagrams
from workers.pace import Pace
from workers.resolvers import DnsAnswer, Resolvers
from workers.tcp_handshakes import SILENT_HOSTS
from workers.tls import lenient_context

__all__ = ["ConnectionStatus", "Net"]

MOST_OPEN: Final = 1000
"""Jobs of one process that may hold a socket at a time."""


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
        most_open: jobs that may hold a socket at a time, 1 or more.

        Raises:
            ConfigurationError: a resolver is no address with a port.

        """
        self.scope = scope
        self._timeout = timeout
        self._asking: dict[str, Any] = {}
        self._pace: Pace | None = None
        self._names: Mapping[str, Sequence[str]] = {}
        self._turns = asyncio.Semaphore(most_open)
        self._context = lenient_context()
        self._resolvers = Resolvers(scope, tuple(resolvers), offline=offline)

    def knowing(self, names: Mapping[str, Sequence[str]]) -> Self:
        """Return the same network, with the host names of some addresses, the best first: for SNI and the Host header."""
        other = copy.copy(self)
        other._names = names  # noqa: SLF001  # its own kind
        return other

    def asking(
        self, *, community: str | None = None, industrial: bool = False, scan_tls: bool = False, **introduction: str
    ) -> Self:
        """Return the same network, for what the user lets probes ask.

        community: the SNMP community to ask with, None for none; industrial: whether industrial controllers are asked.
        scan_tls: whether the versions and cipher suites of TLS that a port accepts are found out.
        introduction: `user_agent` and `greeting_name`, as in `Target`.
        """
        other = copy.copy(self)
        asked = {"community": community, "industrial": industrial, "scan_tls": scan_tls}
        other._asking = {**asked, **introduction}  # noqa: SLF001  # its own kind
        return other

    def paced(self, pace: Pace | None) -> Self:
        """Return the same network with a pace at which connections are opened; None for as fast as they come."""
        other = copy.copy(self)
        other._pace = pace  # noqa: SLF001  # its own kind
        return other

    def target(self, job: Job) -> Target:
        """Return the port a job is about, with what is known for a conversation with it."""
        return Target(
            job.address,
            job.port,
            job.protocol,
            names=tuple(self._names.get(job.address, ())),
            **self._asking,
        )

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[float]:
        """Wait for the right to one open socket; yield the deadline for all that is done with it, by the loop's clock."""
        async with self._turns:
            yield asyncio.get_running_loop().time() + self._timeout

    @asynccontextmanager
    async def connect(
        self, address: str, port: int, *, deadline: float, transport: str = "tcp", any_port: bool = False
    ) -> AsyncIterator[Connection | Datagrams]:
        """Connect, and close for sure. Whether it worked is the connection's status.

        address: IPv4 or IPv6, no host name; port: 1 to 65535.
        deadline: by the event loop's clock; transport: `tcp` or `udp`.
        any_port: over UDP, answers from every port of the host are received.

        Raises:
            OutOfScopeError: the address must not receive a packet; it has not.

        """
        connection = await self._open(address, port, deadline, transport=transport, any_port=any_port)
        try:
            yield connection
        finally:
            await _close(connection)

    async def _open(
        self, address: str, port: int, deadline: float, *, transport: str, any_port: bool
    ) -> Connection | Datagrams:
        if not self.scope.allows(address, discovered=True):
            raise OutOfScopeError(f"{address} is outside the scope or excluded")
        if transport == "udp":
            connection: Connection | Datagrams = Datagrams(deadline, any_port=any_port)
        else:
            connection = Connection(deadline, self._context)
        try:
            await connection.open(address, port)
        except BaseException:
            connection.abort()
            raise
        return connection

    async def drive(self, steps: Steps[T], target: Target, *, deadline: float) -> T:
        """Run the steps of a conversation, and return its result. One connection is open at a time; none stays open.

        steps: the generator of the conversation; target: the host and port it is with.
        deadline: by the event loop's clock, for the whole conversation. When it has passed,
        every step is over at once, with nothing.

        Raises:
            OutOfScopeError: the address must not receive a packet; it has not.

        """
        connection: Connection | Datagrams | None = None
        try:
            step = next(steps)
            while True:
                if isinstance(step, Connect):
                    if connection is not None:
                        await _close(connection)
                    if self._pace and not SILENT_HOSTS.is_silent(target.address):
                        # The time until it may be opened is none of the target's.
                        deadline += await self._pace.turn()
                    connection = await self._connect(target, step, deadline)
                    reply = StepResult(status=connection.status)
                elif connection is None:
                    reply = StepResult(status=ConnectionStatus.CLOSED)
                else:
                    reply = await _take(step, connection)
                step = steps.send(reply)
        except StopIteration as end:
            result: T = end.value
            return result
        finally:
            if connection is not None:
                await _close(connection)

    async def _connect(self, target: Target, step: Connect, deadline: float) -> Connection | Datagrams:
        return await self._open(
            target.address, target.port, deadline, transport=target.transport, any_port=step.any_port
        )

    async def ask(self, name: Labels, kind: RecordType, *, about: str, deadline: float) -> DnsAnswer:
        """Return what the resolvers answer about a name.

        name: its labels; kind: the type of the records to ask for.
        about: the host the question is about: about a private one, or one with a private address inside, only resolvers
        with private addresses are asked (RFC 6303).
        deadline: by the event loop's clock.
        """
        return await self._resolvers.ask(name, kind, is_private=not is_public(about), deadline=deadline)


async def _close(connection: Connection | Datagrams) -> None:
    if connection.abort():
        # The loop closes the socket in its next round: before the next one to the same host is opened.
        await asyncio.sleep(0)


async def _take(step: Send | StartTls, connection: Connection | Datagrams) -> StepResult:
    if isinstance(step, StartTls):
        await connection.start_tls(step)
        return StepResult(
            status=connection.status,
            tls=connection.tls,
            certificate=connection.certificate,
            alpn=connection.alpn,
            chain=connection.chain,
            reason=connection.reason,
        )
    connection.send(step.data)
    data = await connection.receive(step.limit, wait=step.wait or 0.0, complete=step.is_complete)
    return StepResult(data=data, status=connection.status)
