"""The network between the second host and the servers: forwards TCP connections to Unix sockets.

Run as a process of its own: paused, it is a network that swallows everything; killed, one that ends every connection.
"""

import asyncio
import contextlib
import sys
from collections.abc import Sequence
from functools import partial
from typing import Final

_CHUNK: Final = 65536


async def forward(routes: Sequence[tuple[int, str]]) -> None:
    """Forward what comes to each port of 127.0.0.1 to the Unix socket beside it, until cancelled."""
    servers = [await asyncio.start_server(partial(_connect, socket), "127.0.0.1", port) for port, socket in routes]
    await asyncio.gather(*(server.serve_forever() for server in servers))


async def _connect(socket: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        far_reader, far_writer = await asyncio.open_unix_connection(socket)
    except OSError:
        writer.transport.abort()
        return
    pumps = [asyncio.ensure_future(_pump(*pair)) for pair in ((reader, far_writer), (far_reader, writer))]
    await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
    for pump, each in zip(pumps, (writer, far_writer), strict=True):
        pump.cancel()
        each.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()


def _main(arguments: Sequence[str]) -> None:
    ports, sockets = arguments[::2], arguments[1::2]
    asyncio.run(forward([(int(port), socket) for port, socket in zip(ports, sockets, strict=True)]))


if __name__ == "__main__":
    _main(sys.argv[1:])
