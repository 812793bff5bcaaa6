"""Redis: answers to PING and INFO, or to something it takes for a command (RESP, redis.io)."""

import re

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_ANSWER = re.compile(
    rb"\+PONG\r|-NOAUTH |-DENIED |-ERR (?:unknown command|wrong number of|operation not permitted)|\$[0-9]{1,8}\r\n# Server"
)
_VERSION = re.compile(
    rb"^(redis|valkey|dragonfly|garnet|kvrocks|pika)_version:(?:df-)?v?([0-9][\w.]{0,40})", re.MULTILINE
)
_OTHERS = {
    b"valkey": "Valkey",
    b"dragonfly": "Dragonfly",
    b"garnet": "Garnet",
    b"kvrocks": "Apache Kvrocks",
    b"pika": "Pika",
}
"""Servers that speak Redis's protocol, by the name of their own version; Redis's stands beside it, for old clients."""

_INFO = b"INFO server\r\n"
"""Asks for the server section only."""


def recognise(raw: bytes) -> Fingerprint | None:
    """The version only where INFO was answered. Others show Redis's version too."""
    if not _ANSWER.match(raw):
        return None
    versions = dict(_VERSION.findall(raw))
    if other := next((name for name in _OTHERS if name in versions), None):
        return Fingerprint("redis", _OTHERS[other], clean(versions[other]))
    return Fingerprint("redis", "Redis" if versions else None, clean(versions.get(b"redis")))


PROTOCOL = Protocol(
    name="redis",
    recognise=recognise,
    ports=(6379, 16379, 26379),
    tls_ports=(6380,),
    words=lambda _: _INFO,
    likelihood=10,
    rejects_http=True,
)
