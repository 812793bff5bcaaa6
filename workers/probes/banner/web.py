"""Say GET /: what most silent servers understand."""

import re
from typing import Final

from workers.net import Connection
from workers.probes.banner.dialogue import LIMIT, Answer, Target

_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")
_LENGTH: Final = re.compile(rb"^Content-Length:[ \t]*([0-9]{1,9})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_WANTS_TLS: Final = re.compile(rb"HTTP/1\.[01] 400 .*?(?:HTTPS|SSL-enabled)|[\x15\x16]\x03[\x00-\x04]", re.DOTALL)
_DEFAULT_PORTS: Final = (80, 443)


async def speak(connection: Connection, target: Target) -> Answer | None:
    """Ask for the root page of the host, by its name where one is known."""
    connection.send(request(target))
    raw = await connection.receive(LIMIT, wait=target.patience, complete=is_complete)
    return Answer(raw, final=not _WANTS_TLS.match(raw)) if raw else None


def request(target: Target) -> bytes:
    """Return the request (RFC 9112 3)."""
    host = target.name or (f"[{target.address}]" if ":" in target.address else target.address)
    port = "" if target.port in _DEFAULT_PORTS else f":{target.port}"
    return f"GET / HTTP/1.1\r\nHost: {host}{port}\r\nUser-Agent: Cobalt\r\nAccept: */*\r\nConnection: close\r\n\r\n".encode()


def is_complete(raw: bytes) -> bool:
    """Tell whether an answer is all there: its head, and the length it announces."""
    head = _HEAD_END.search(raw)
    if not head:
        return False
    length = _LENGTH.search(raw, 0, head.end())
    return bool(length and len(raw) >= head.end() + int(length[1]))
