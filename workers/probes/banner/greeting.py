"""Say nothing: most servers of text protocols greet."""

import re
from typing import Final

from workers.net import Connection
from workers.probes.banner.dialogue import LIMIT, Answer, Target

_LAST_LINE: Final = re.compile(rb"(?:\A|\n)(?!\d{3}-)[^\n]*\n\Z")
_MYSQL_HEADER: Final = 4


async def listen(connection: Connection, target: Target) -> Answer | None:
    """Wait for a greeting."""
    raw = await connection.receive(LIMIT, wait=target.patience, complete=is_complete)
    return Answer(raw, starttls=b"STARTTLS" in raw) if raw else None


def is_complete(raw: bytes) -> bool:
    """Tell whether a greeting is all there: a last line (not one of `220-`, RFC 959 4.2), or a whole MySQL packet.

    Some SSH servers go on with binary packets at once.
    """
    if _LAST_LINE.search(raw) or (raw.startswith(b"SSH-") and b"\n" in raw):
        return True
    return len(raw) > _MYSQL_HEADER and len(raw) == _MYSQL_HEADER + int.from_bytes(raw[:3], "little")
