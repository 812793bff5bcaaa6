"""Say ClientHello, then speak inside."""

from typing import Final

import msgspec

from workers.net import Connection
from workers.probes.banner import greeting, web
from workers.probes.banner.dialogue import Answer, Target

_GREETING_PORTS: Final = frozenset({465, 563, 990, 992, 993, 994, 995, 6697})
"""TLS ports whose servers greet, as registered with IANA."""

_INSIDE: Final = 0.7


async def speak(connection: Connection, target: Target) -> Answer | None:
    """Do the handshake; the answer may be empty where the server is silent inside."""
    if not await connection.start_tls(target.name, wait=target.patience):
        return None
    inside = msgspec.structs.replace(target, patience=max(target.patience, _INSIDE))
    answer = await (greeting.listen if target.port in _GREETING_PORTS else web.speak)(connection, inside)
    return Answer(answer.raw if answer else b"", tls=connection.tls)
