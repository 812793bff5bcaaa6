"""AJP 1.3: CPing is answered by CPong; an error page names the container (Apache JServ Protocol Reference)."""

import re

from cobalt_tasks.protocols.base import Protocol, Send, Steps, Target
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_CPING = bytes.fromhex("123400010a")
_CPONG = bytes.fromhex("4142000109")
_TOMCAT = re.compile(rb"Apache Tomcat/([0-9][\w.-]{0,40})")
_GET = 2
_FORWARD = b"\x02\x02"


def _text(value: bytes) -> bytes:
    return len(value).to_bytes(2, "big") + value + b"\x00"


def forward_request(target: Target) -> bytes:
    """Return a request for the root page, with a Host header (code 0xA00B)."""
    host = (target.name or target.address).encode()
    body = _FORWARD + _text(b"HTTP/1.1") + _text(b"/") + _text(b"127.0.0.1") + _text(b"") + _text(host)
    body += b"\x00\x50\x00\x00\x01\xa0\x0b" + _text(host) + b"\xff"
    return b"\x12\x34" + len(body).to_bytes(2, "big") + body


def recognise(raw: bytes) -> Fingerprint | None:
    """A CPong, or the headers of an answer to a forwarded request."""
    if not raw.startswith((_CPONG, b"AB\x00")) or (not raw.startswith(_CPONG) and raw[4:5] not in {b"\x03", b"\x04"}):
        return None
    tomcat = _TOMCAT.search(raw)
    return Fingerprint("ajp", "Apache Tomcat" if tomcat else None, clean(tomcat[1]) if tomcat else None, info="AJP 1.3")


def ask_more(target: Target, raw: bytes, known: Fingerprint) -> Steps[Fingerprint | None]:
    """Ask for the root page: where it is missing, the error page has the version.

    target: the port; raw: its answer; known: what that showed.
    """
    reply = yield Send(forward_request(target))
    return recognise(raw + reply.data) or known


PROTOCOL = Protocol(
    name="ajp",
    recognise=recognise,
    ports=(8009,),
    words=lambda _: _CPING,
    is_complete=_CPONG.__eq__,
    ask_more=ask_more,
    likelihood=40,
    rejects_http=True,
    aliases=("ajp13",),
)
