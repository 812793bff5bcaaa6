"""Say INFO: Redis tells its version, or that it wants a password."""

from workers.net import Connection
from workers.probes.banner.dialogue import LIMIT, Answer, Target


async def speak(connection: Connection, target: Target) -> Answer | None:
    """Ask for the server section only (redis.io, INFO)."""
    connection.send(b"INFO server\r\n")
    raw = await connection.receive(LIMIT, wait=target.patience)
    return Answer(raw) if raw else None
