"""The lab as one asyncio server: every endpoint of the table, bounded, and removed completely when stopped."""

import asyncio
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

import msgspec

from cobalt_tasks.core.errors import CobaltError
from cobalt_tasks.lab import certificate
from cobalt_tasks.lab.endpoints import ADDRESSES, DOMAIN, ENDPOINTS, NAMES, Endpoint
from cobalt_tasks.lab.nameserver import Names, UdpNameServer, tcp_service
from cobalt_tasks.lab.services import SERVICES, Service

_MOST_OPEN: Final = 500
_LONGEST: Final = 60.0
"""Seconds a client may stay."""


class LabError(CobaltError):
    """The lab cannot be set up."""


class Lab:
    """The lab, running while entered."""

    def __init__(self, folder: Path, *, ephemeral: bool = False) -> None:
        """Keep the certificate in `folder`; `ephemeral`: use free ports instead of the table's."""
        self.endpoints: tuple[Endpoint, ...] = ()
        """Where everything really is."""
        self._folder = folder
        self._ephemeral = ephemeral
        self._names = Names(DOMAIN, ADDRESSES, NAMES)
        self._servers: list[asyncio.Server] = []
        self._datagrams: list[asyncio.DatagramTransport] = []
        self._refusing: list[socket.socket] = []
        self._clients: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Serve everything.

        Raises:
            LabError: a port is taken, or an address is none of this machine's.

        """
        try:
            for endpoint in ENDPOINTS:
                self.endpoints += (await self._open(endpoint),)
        except LabError:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close everything."""
        for server in self._servers:
            server.close()
        for datagrams in self._datagrams:
            datagrams.abort()
        for holder in self._refusing:
            holder.close()
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        await asyncio.sleep(0)

    async def _open(self, endpoint: Endpoint) -> Endpoint:
        port = 0 if self._ephemeral else endpoint.port
        try:
            return msgspec.structs.replace(endpoint, port=await self._listen(endpoint, port))
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise LabError(
                f"the lab cannot serve {endpoint.kind} on {endpoint.address} port {port}: {reason}"
            ) from None

    async def _listen(self, endpoint: Endpoint, port: int) -> int:
        if endpoint.kind == "refusing":
            return self._refuse(endpoint.address, port)
        service = tcp_service(self._names) if endpoint.kind == "dns" else SERVICES[endpoint.kind]
        context = certificate.context(self._folder, endpoint.address) if endpoint.kind == "https" else None
        server = await asyncio.start_server(
            self._bounded(service), endpoint.address, port, ssl=context, reuse_address=True
        )
        self._servers.append(server)
        port = int(server.sockets[0].getsockname()[1])
        if endpoint.kind == "dns":
            loop = asyncio.get_running_loop()
            datagrams, _ = await loop.create_datagram_endpoint(
                lambda: UdpNameServer(self._names), local_addr=(endpoint.address, port)
            )
            self._datagrams.append(datagrams)
        return port

    def _refuse(self, address: str, port: int) -> int:
        """Hold a port without listening, so that it refuses for sure."""
        holder = socket.socket()
        self._refusing.append(holder)
        holder.bind((address, port))
        return int(holder.getsockname()[1])

    def _bounded(self, service: Service) -> Service:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            if task is None or len(self._clients) >= _MOST_OPEN:
                writer.transport.abort()
                return
            self._clients.add(task)
            try:
                async with asyncio.timeout(_LONGEST):
                    await service(reader, writer)
                    writer.close()
                    await writer.wait_closed()
            except (OSError, EOFError, asyncio.CancelledError):
                # A client may leave at any time; a cancelled task means that the lab closes.
                pass
            finally:
                writer.transport.abort()
                self._clients.discard(task)

        return serve


@contextmanager
def running(folder: Path) -> Iterator[Lab]:
    """Run a lab on free ports in a thread: for tests.

    Raises:
        LabError: it could not be set up.

    """
    ready: threading.Event = threading.Event()
    failures: list[LabError] = []
    lab = Lab(folder, ephemeral=True)
    loop = asyncio.new_event_loop()
    done = asyncio.Event()

    async def serve() -> None:
        try:
            async with lab:
                ready.set()
                await done.wait()
        except LabError as error:
            failures.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), name="lab")
    thread.start()
    ready.wait()
    try:
        if failures:
            raise failures[0]
        yield lab
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join()
        loop.close()
