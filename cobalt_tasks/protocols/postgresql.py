"""PostgreSQL: ErrorResponse to what it does not understand (documentation, 53.7 Message Formats)."""

import re

from cobalt_tasks.protocols.base import Connect, ConnectionStatus, Protocol, Send, Steps, Target, answered
from cobalt_tasks.protocols.fingerprint import Fingerprint

_ERROR = re.compile(rb"E\x00\x00..S(?:FATAL|ERROR|[^\x00]{1,20}\x00VFATAL)\x00|EFATAL: ", re.DOTALL)
_SSL_REQUEST = bytes.fromhex("0000000804d2162f")
_BAD_VERSION = bytes.fromhex("0000000900ff0000 00")
_SOURCE = re.compile(rb"\x00F(?:\./|src/)?[\w/]{0,60}(?:postmaster|auth|backend_startup)\.c\x00")
"""A file of PostgreSQL's own; programs that only speak its protocol have others."""

_PGBOUNCER = re.compile(
    rb"\x00M(?:bad packet header|client sent partial pkt|unsupported pkt type|no such user|no such database: )"
)
"""Messages of the pool PgBouncer, whose errors name no file."""

_LETTERS = (b"S", b"N")


def recognise(raw: bytes) -> Fingerprint | None:
    """Severity comes first; servers before protocol 3 answered in plain text."""
    if not _ERROR.match(raw):
        return None
    if raw.startswith(b"EFATAL") or _SOURCE.search(raw):
        return Fingerprint("postgresql", "PostgreSQL")
    return Fingerprint("postgresql", "PgBouncer" if _PGBOUNCER.search(raw) else None)


def recognise_reply(raw: bytes) -> Fingerprint | None:
    """The letter that answers SSLRequest. S: will speak TLS, N: will not (documentation, 53.2.10)."""
    return Fingerprint("postgresql", offers_tls=raw == b"S") if raw in _LETTERS else None


def ask_more(_: Target, raw: bytes, known: Fingerprint) -> Steps[Fingerprint | None]:
    """Ask for a version of the protocol that does not exist: the error names the source file it comes from.

    raw: its answer; known: what that showed.
    """
    if known.product or (yield Connect()).status is not ConnectionStatus.OPEN:
        return None
    reply = yield Send(_BAD_VERSION)
    found = recognise(raw if raw not in _LETTERS else reply.data)
    return Fingerprint("postgresql", found.product, offers_tls=known.offers_tls) if found else known


def starttls(_: Target) -> Steps[bool]:
    """Send SSLRequest (documentation, 53.2.10)."""
    return (yield from answered(_SSL_REQUEST, b"S"))


PROTOCOL = Protocol(
    name="postgresql",
    recognise=recognise,
    recognise_reply=recognise_reply,
    ports=(5432,),
    words=lambda _: _SSL_REQUEST,
    is_complete=_LETTERS.__contains__,
    ask_more=ask_more,
    likelihood=11,
    rejects_http=True,
    starttls=starttls,
    aliases=("postgres",),
)
