"""A conversation that has used up its time is over."""

import asyncio
import socket
import ssl

import pytest

from cobalt_tasks.protocols.base import ConnectionStatus
from workers.connection import Connection


def test_nothing_is_opened_after_the_deadline() -> None:
    """A conversation that has used up its time is over, also with a machine that would answer at once.

    Break: the look at the deadline in Connection.open.
    """

    async def late(port: int) -> ConnectionStatus:
        connection = Connection(asyncio.get_running_loop().time(), ssl.create_default_context())
        await connection.open("127.0.0.1", port)
        return connection.status

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        assert asyncio.run(late(server.getsockname()[1])) is ConnectionStatus.TIMEOUT
        with pytest.raises(TimeoutError):
            server.accept()
