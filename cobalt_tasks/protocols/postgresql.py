"""PostgreSQL: ErrorResponse to what it does not understand (documentation, 53.7 Message Formats)."""

import re

from cobalt_tasks.protocols.base import Protocol, Steps, answered
from cobalt_tasks.protocols.fingerprint import Fingerprint

_ERROR = re.compile(rb"E\x00\x00..S(?:FATAL|ERROR|[^\x00]{1,20}\x00VFATAL)\x00|EFATAL: ", re.DOTALL)
_SSL_REQUEST = bytes.fromhex("0000000804d2162f")
_LETTERS = (b"S", b"N")


def recognise(raw: bytes) -> Fingerprint | None:
    """Severity comes first; servers before protocol 3 answered in plain text."""
    return Fingerprint("postgresql", "PostgreSQL") if _ERROR.match(raw) else None


def recognise_reply(raw: bytes) -> Fingerprint | None:
    """The letter that answers SSLRequest. S: will speak TLS, N: will not (documentation, 53.2.10)."""
    return Fingerprint("postgresql", offers_tls=raw == b"S") if raw in _LETTERS else None


def starttls() -> Steps[bool]:
    """Send SSLRequest (documentation, 53.2.10)."""
    return (yield from answered(_SSL_REQUEST, b"S"))


PROTOCOL = Protocol(
    name="postgresql",
    recognise=recognise,
    recognise_reply=recognise_reply,
    ports=(5432,),
    words=lambda _: _SSL_REQUEST,
    is_complete=_LETTERS.__contains__,
    starttls=starttls,
    aliases=("postgres",),
)
