"""The net itself: bounded, closed for sure, and silent towards whom it must not speak to."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import pytest

from cobalt_tasks.core.addresses import Scope
from cobalt_tasks.core.errors import OutOfScopeError
from cobalt_tasks.core.records import Job
from cobalt_tasks.protocols.base import StartTls
from tests.support.waiting import PATIENCE
from workers.inbox import MOST_BYTES
from workers.net import ConnectionStatus, Net


def test_a_flood_nobody_reads() -> None:
    """A peer that sends what was not asked for fills a small buffer, then its own socket: memory stays bounded, invariant 8 of docs/architecture.md.

    Break: `self._room` or pause_reading in _Inbox.data_received.
    """
    sent = 0

    async def handler(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        with suppress(OSError):
            while sent < 100_000_000:
                writer.write(bytes(65536))
                sent += 65536
                await writer.drain()
        writer.transport.abort()

    async def main() -> tuple[int, ConnectionStatus]:
        server = await asyncio.start_server(handler, "127.0.0.1", 0)
        net = Net(Scope(), 5.0)
        async with (
            net.turn() as deadline,
            net.connect("127.0.0.1", server.sockets[0].getsockname()[1], deadline=deadline) as connection,
        ):
            await asyncio.sleep(0.5)  # for the peer to send in; on a busy machine it sends less
            held = await connection.receive(1_000_000, wait=0.1)
            again = await connection.receive(1_000_000, wait=0.1)
            status = connection.status
        server.close()
        await asyncio.sleep(0.05)
        return len(held + again), status

    assert asyncio.run(main()) == (MOST_BYTES, ConnectionStatus.CLOSED)
    assert sent < 20_000_000


def test_a_block_that_fails_closes() -> None:
    """An exception in a probe leaves no connection open."""

    async def main() -> bytes:
        heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heard.set_result(await reader.read())
            writer.transport.abort()

        server = await asyncio.start_server(handler, "127.0.0.1", 0)
        net = Net(Scope(), 5.0)
        with pytest.raises(ZeroDivisionError):
            async with (
                net.turn() as deadline,
                net.connect("127.0.0.1", server.sockets[0].getsockname()[1], deadline=deadline),
            ):
                raise ZeroDivisionError
        async with asyncio.timeout(PATIENCE):
            end = await heard
        server.close()
        await asyncio.sleep(0.02)
        return end

    assert asyncio.run(main()) == b""


def test_out_of_scope_raises() -> None:
    """Whoever forgets to ask for scope is stopped by an exception before a socket is opened: invariant 6.

    Break: the first two lines of Net.connect.
    """

    async def main() -> None:
        net = Net(Scope(["192.0.2.0/24"]), 5.0)
        async with net.turn() as deadline, net.connect("127.0.0.1", 1, deadline=deadline):
            pass

    with pytest.raises(OutOfScopeError, match=r"127\.0\.0\.1 is outside"):
        asyncio.run(main())


def test_a_failed_connection_does_nothing() -> None:
    """Operations on a connection that did not open are over at once, with nothing."""

    async def main() -> None:
        net = Net(Scope(), 5.0)
        async with net.turn() as deadline, net.connect("127.0.0.1", 1, deadline=deadline) as connection:
            assert connection.status is ConnectionStatus.REFUSED
            connection.send(b"x")
            assert await connection.receive(10, wait=60) == b""
            assert not await connection.start_tls(StartTls(wait=60.0))
            assert connection.certificate is None

    asyncio.run(asyncio.wait_for(main(), 30))


def test_knowing_shares_the_bounds(make_job: Callable[..., Job]) -> None:
    """A net that knows names is the same net: its turns are counted together."""
    job = make_job("192.0.2.1", 80)

    async def main() -> None:
        net = Net(Scope(), 5.0, most_open=1)
        other = net.knowing({"192.0.2.1": ["www.example.com"]})
        assert (net.target(job).name, other.target(job).name) == (None, "www.example.com")
        async with net.turn():
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05), other.turn():
                    pass

    asyncio.run(main())
