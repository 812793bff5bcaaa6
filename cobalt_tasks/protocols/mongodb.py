"""MongoDB: the hello command, then buildInfo (MongoDB Wire Protocol). Documents are BSON."""

import re

from cobalt_tasks.protocols.base import Protocol, Send, Steps, Target
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_QUERY = 2004
_MESSAGE = 2013
_REPLY = 1
_HEADER = 16
_VERSION = re.compile(rb"\x02version\x00.\x00\x00\x00([0-9][\w.-]{0,40})\x00", re.DOTALL)
_HELLO = re.compile(rb"\x08(?:ismaster|isWritablePrimary|helloOk)\x00|\x10maxWireVersion\x00")
_HTTP = b"It looks like you are trying to access MongoDB over HTTP"


def _document(name: bytes, *more: bytes) -> bytes:
    body = b"\x10" + name + b"\x00\x01\x00\x00\x00" + b"".join(more) + b"\x00"
    return (len(body) + 4).to_bytes(4, "little") + body


def _packet(code: int, number: int, body: bytes) -> bytes:
    head = (_HEADER + len(body), number, 0, code)
    return b"".join(part.to_bytes(4, "little") for part in head) + body


def hello(_: Target) -> bytes:
    """Return isMaster as OP_QUERY, which every version answers."""
    return _packet(_QUERY, 1, bytes(4) + b"admin.$cmd\x00" + bytes(4) + b"\x01\x00\x00\x00" + _document(b"isMaster"))


def _build_info() -> bytes:
    database = b"\x02$db\x00\x06\x00\x00\x00admin\x00"
    return _packet(_MESSAGE, 2, bytes(4) + b"\x00" + _document(b"buildInfo", database))


def recognise(raw: bytes) -> Fingerprint | None:
    """A reply to a command, or what a server answers to HTTP."""
    if _HTTP in raw:
        return Fingerprint("mongodb", "MongoDB")
    code = int.from_bytes(raw[12:16], "little")
    if len(raw) <= _HEADER or code not in {_REPLY, _MESSAGE} or int.from_bytes(raw[:4], "little") < _HEADER:
        return None
    version = _VERSION.search(raw)
    if not version and not _HELLO.search(raw) and b"\x01ok\x00" not in raw:
        return None
    return Fingerprint("mongodb", "MongoDB", clean(version[1]) if version else None)


def is_complete(raw: bytes) -> bool:
    """Return whether a whole packet is there."""
    return len(raw) >= _HEADER and len(raw) >= int.from_bytes(raw[:4], "little")


def ask_more(_: Target, raw: bytes, known: Fingerprint) -> Steps[Fingerprint | None]:
    """Ask for the version: it is shown without logging in.

    raw: its answer; known: what that showed.
    """
    if known.version or raw.startswith(b"HTTP/"):
        return None
    reply = yield Send(_build_info(), is_complete=is_complete)
    return recognise(reply.data)


PROTOCOL = Protocol(
    name="mongodb",
    recognise=recognise,
    ports=(27017, 27018, 27019),
    words=hello,
    is_complete=is_complete,
    ask_more=ask_more,
    likelihood=16,
    rejects_http=True,
    aliases=("mongod", "mongo"),
)
