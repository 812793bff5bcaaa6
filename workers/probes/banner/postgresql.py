"""Say SSLRequest: only PostgreSQL answers it with one letter."""

from typing import Final

from workers.net import Connection
from workers.probes.banner.dialogue import LIMIT, Answer, Target

_SSL_REQUEST: Final = bytes.fromhex("0000000804d2162f")
_LETTERS: Final = (b"S", b"N")


async def speak(connection: Connection, target: Target) -> Answer | None:
    """S: will speak TLS, N: will not (PostgreSQL documentation, 53.2.10)."""
    connection.send(_SSL_REQUEST)
    raw = await connection.receive(LIMIT, wait=target.patience, complete=_LETTERS.__contains__)
    return Answer(raw, starttls=raw == b"S", service="postgresql" if raw in _LETTERS else None) if raw else None
