"""Say X.224 Connection Request: RDP servers confirm it."""

from typing import Final

from workers.net import Connection
from workers.probes.banner.dialogue import LIMIT, Answer, Target

_REQUEST: Final = bytes.fromhex("030000130ee000000000000100080003000000")
"""TPKT header, connection request, negotiation request for TLS and CredSSP ([MS-RDPBCGR] 2.2.1.1)."""


async def speak(connection: Connection, target: Target) -> Answer | None:
    """Ask for a connection."""
    connection.send(_REQUEST)
    raw = await connection.receive(LIMIT, wait=target.patience)
    return Answer(raw) if raw else None
