"""How to ask for TLS on ports that begin in the clear. One function per protocol, one line per port."""

from collections.abc import Awaitable, Callable
from typing import Final

from workers.net import Connection

Dialogue = Callable[[Connection], Awaitable[bool]]

_LIMIT: Final = 2048
_WAIT: Final = 1.5
_SSL_REQUEST: Final = bytes.fromhex("0000000804d2162f")


async def smtp(connection: Connection) -> bool:
    """RFC 3207. The greeting of a busy server comes late."""
    await _heard(connection)
    if b"STARTTLS" not in (await _said(connection, b"EHLO cobalt.invalid\r\n")).upper():
        return False
    return (await _said(connection, b"STARTTLS\r\n")).startswith(b"220")


async def imap(connection: Connection) -> bool:
    """RFC 9051 6.2.1."""
    await _heard(connection)
    return b"c1 OK" in await _said(connection, b"c1 STARTTLS\r\n")


async def pop3(connection: Connection) -> bool:
    """RFC 2595 4."""
    await _heard(connection)
    return (await _said(connection, b"STLS\r\n")).startswith(b"+OK")


async def ftp(connection: Connection) -> bool:
    """RFC 4217 4."""
    await _heard(connection)
    return (await _said(connection, b"AUTH TLS\r\n")).startswith(b"234")


async def postgresql(connection: Connection) -> bool:
    """SSLRequest, answered by one byte (PostgreSQL documentation, 53.2.10)."""
    return await _said(connection, _SSL_REQUEST) == b"S"


PORTS: Final[dict[int, Dialogue]] = {
    21: ftp,
    25: smtp,
    110: pop3,
    143: imap,
    587: smtp,
    2525: smtp,
    5432: postgresql,
}


async def _heard(connection: Connection) -> bytes:
    return await connection.receive(_LIMIT, wait=_WAIT)


async def _said(connection: Connection, words: bytes) -> bytes:
    connection.send(words)
    return await _heard(connection)
