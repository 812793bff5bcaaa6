"""Runs a probe against a real server in the same event loop, and says what happened."""

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest

from cobalt_tasks.core.addresses import Scope
from cobalt_tasks.core.records import Job, Outcome
from workers.net import Net

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Probe = Callable[[Job, Net], Awaitable[Outcome]]


@dataclass
class Run:
    """What came of a probe, and how many connections the server saw."""

    outcome: Outcome
    seconds: float
    """How long it took, without the time in which this process had work and no processor."""
    connections: int


@contextmanager
def stopwatch() -> Iterator[Callable[[], float]]:
    """Measure time in an event loop; what a busy machine takes from it does not count."""
    tick, late, started = 0.01, 0.0, time.perf_counter()

    async def watch() -> None:
        nonlocal late
        while True:
            before, used = time.perf_counter(), time.process_time()
            await asyncio.sleep(tick)
            late += max(0.0, time.perf_counter() - before - tick - (time.process_time() - used))

    watching = asyncio.create_task(watch())
    yield lambda: time.perf_counter() - started - late
    watching.cancel()


class Against:
    """Serves `handler` on a free port of 127.0.0.1 and sends a probe there."""

    def __call__(self, probe: Probe, handler: Handler, **options: Any) -> Run:
        """Run one probe to its end; the options are those of _run."""
        return asyncio.run(self._run(probe, handler, **options))

    async def _run(
        self,
        probe: Probe,
        handler: Handler,
        *,
        context: ssl.SSLContext | None = None,
        within: float = 5.0,
        scope: Scope | None = None,
        names: Mapping[str, Sequence[str]] | None = None,
        protocol: str = "tcp",
        scan_tls: bool = False,
    ) -> Run:
        tasks: set[asyncio.Task[None]] = set()
        connections = 0

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal connections
            connections += 1
            task = asyncio.current_task()
            assert task
            tasks.add(task)
            with suppress(OSError, EOFError, asyncio.CancelledError):
                await handler(reader, writer)
            writer.transport.abort()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        net = Net(scope or Scope(), within, ["127.0.0.1:1"]).knowing(names or {})
        net = net.asking(community=None, industrial=False, scan_tls=scan_tls)
        with stopwatch() as elapsed:
            outcome = await probe(job("127.0.0.1", port, protocol), net)
            seconds = elapsed()
        await asyncio.sleep(0.02)
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        leftover = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        assert not leftover, "a probe leaves nothing running"
        return Run(outcome, seconds, connections)


def job(address: str, port: int = 0, protocol: str = "tcp") -> Job:
    """Return a claimed job."""
    return Job(id=1, kind="any", address=address, protocol=protocol, port=port, attempts=0, forced=False)


@pytest.fixture
def against() -> Against:
    """Run a probe against a server."""
    return Against()


@pytest.fixture
def make_job() -> Callable[..., Job]:
    """Make a claimed job."""
    return job


@pytest.fixture
def saying() -> Callable[[Sequence[bytes | float]], Handler]:
    """Make a server that says some bytes, waits some seconds, and so on, then closes; it ignores what it hears."""

    def make(script: Sequence[bytes | float]) -> Handler:
        async def handler(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for step in script:
                if isinstance(step, bytes):
                    writer.write(step)
                    await writer.drain()
                else:
                    await asyncio.sleep(step)
            writer.close()
            await writer.wait_closed()

        return handler

    return make
