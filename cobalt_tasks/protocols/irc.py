"""IRC: notices before registration, and the welcome after it (RFC 2812 3.3.2, 5.1)."""

import re

from cobalt_tasks.protocols.base import Protocol, Send, Steps, Target
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean, dotted_name

_REGISTER = b"NICK cblt\r\nUSER cobalt 0 * :cobalt\r\n"
_ANSWER = re.compile(
    rb"(?:PING :?[^\r\n]{1,200}\r?\n)?"
    rb"(?::([^\s]{1,253}) (?:[0-9]{3} (?:\*|[\w-]{1,30}) |NOTICE )|NOTICE (?:AUTH|\*|[\w-]{1,30}) :|ERROR :)"
)
_VERSION = re.compile(rb" 004 [^\s]{1,30} [^\s]{1,253} ([A-Za-z][\w!.]{0,40}?)[-/]v?([0-9][\w.+]{0,60})")
_UNREAL = re.compile(rb" 004 [^\s]{1,30} [^\s]{1,253} (Unreal)([0-9][\w.]{0,40})")
_RUNNING = re.compile(
    rb" 002 [^\r\n]{1,300}? running(?: version)? ([A-Za-z]\w{0,40})[-/ ]v?([0-9][\w+]{0,20}(?:[.-][\w+]{1,20}){0,5})"
)
_PING = re.compile(rb"^PING (:?[^\r\n]{1,200})", re.MULTILINE)
_NAMES = {"u": "ircu", "Unreal": "UnrealIRCd"}


def recognise(raw: bytes) -> Fingerprint | None:
    """`:irc.example.com NOTICE * :*** Looking up your hostname...`; numeric 004 has the version."""
    found = _ANSWER.match(raw)
    if not found:
        return None
    version = _VERSION.search(raw) or _UNREAL.search(raw) or _RUNNING.search(raw)
    product = clean(version[1]) if version else None
    return Fingerprint(
        "irc",
        _NAMES.get(product, product) if product else None,
        clean(version[2]) if version else None,
        dotted_name(found[1] or b""),
    )


def ask_more(_: Target, raw: bytes, known: Fingerprint) -> Steps[Fingerprint | None]:
    """Register if that was not done, answer the server's ping, and leave.

    raw: its answer; known: what that showed.
    """
    heard = raw
    if known.version is None and b"ERROR" not in raw:
        words = b"" if b" 001 " in raw or _PING.search(raw) else _REGISTER
        for _round in range(2):
            if ping := _PING.search(heard):
                words += b"PONG " + ping[1] + b"\r\n"
            reply = yield Send(words, wait=2.0, is_complete=lambda data: b" 004 " in data or b"PING " in data)
            heard, words = reply.data, b""
            raw += heard
            if not heard or b" 004 " in raw:
                break
    yield Send(b"QUIT\r\n", wait=0)
    return recognise(raw)


PROTOCOL = Protocol(
    name="irc",
    recognise=recognise,
    ports=(6667, 6666, 6668, 6669, 7000),
    tls_ports=(6697, 994),
    name_in_tls="ircs",
    greets=True,
    words=lambda _: _REGISTER,
    is_complete=lambda raw: b" 004 " in raw or b"PING " in raw,
    ask_more=ask_more,
)
