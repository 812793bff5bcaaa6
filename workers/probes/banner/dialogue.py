"""What the speakers of this package get and give."""

from collections.abc import Awaitable, Callable

from msgspec import Struct

from workers.net import Connection

LIMIT = 4096
"""Bytes of an answer that are kept."""


class Target(Struct, frozen=True):
    """Whom one speaks to. `patience` is how long to wait for the first byte of an answer, in seconds."""

    address: str
    port: int
    name: str | None
    patience: float


class Answer(Struct, frozen=True):
    """What was said.

    `tls` is the TLS version and cipher it was said in; an answer that is not final asks for TLS. `starttls`: TLS is
    offered. `service` is what the words spoken tell by themselves, where the answer is too short to tell.
    """

    raw: bytes
    tls: str | None = None
    final: bool = True
    starttls: bool = False
    service: str | None = None


Speaker = Callable[[Connection, Target], Awaitable[Answer | None]]
"""Speaks first on an open connection. None: nothing was said."""
