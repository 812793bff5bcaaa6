"""Redis: answers to PING and INFO, or to something it takes for a command (RESP, redis.io)."""

import re

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_ANSWER = re.compile(
    rb"\+PONG\r|-NOAUTH |-DENIED |-ERR (?:unknown command|wrong number of|operation not permitted)|\$[0-9]{1,8}\r\n# Server"
)
_VERSION = re.compile(rb"^(redis|valkey)_version:([0-9][\w.]*)", re.MULTILINE)
_INFO = b"INFO server\r\n"
"""Asks for the server section only."""


def recognise(raw: bytes) -> Fingerprint | None:
    """The version only where INFO was answered. Valkey shows both versions, its own last."""
    if not _ANSWER.match(raw):
        return None
    versions = dict(_VERSION.findall(raw))
    if b"valkey" in versions:
        return Fingerprint("redis", "Valkey", clean(versions[b"valkey"]))
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
