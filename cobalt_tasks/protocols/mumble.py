"""Mumble: the ping over UDP, and the Version message inside TLS (Mumble protocol: Ping, TCP connection)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean
from cobalt_tasks.protocols.products import system_of

_PING: Final = bytes(4) + b"CobaltMB"
_PONG: Final = 24
_VERSION: Final = re.compile(
    rb"\x00\x00\x00\x00[\x00-\x02][\x00-\xff](?:\x08[\x80-\xff]{0,9}[\x00-\x7f])(?:\x12(.)([0-9][!-~]{0,60}))?",
    re.DOTALL,
)
_RELEASE: Final = re.compile(rb"[0-9]+\.[0-9]+\.[0-9]+")


def recognise(raw: bytes) -> Fingerprint | None:
    """A pong with our mark: version, users and how many may be there; or the message a server starts with inside TLS."""
    if len(raw) == _PONG and raw[4:12] == _PING[4:]:
        version = ".".join(str(each) for each in raw[1:4])
        users, most = (int.from_bytes(raw[at : at + 4], "big") for at in (12, 16))
        extras = {"users": str(users), "most_users": str(most)}
        return Fingerprint("mumble", "Mumble server", version, cpe="mumble:mumble", extras=extras)
    found = _VERSION.match(raw)
    if not found or not found[2]:
        return None
    release = _RELEASE.match(found[2])
    version_text = clean(release[0]) if release else None
    return Fingerprint("mumble", "Mumble server", version_text, cpe="mumble:mumble", os=system_of(raw[found.end() :]))


PROTOCOL = Protocol(
    name="mumble",
    recognise=recognise,
    name_in_tls="mumble",
    tls_ports=(64738,),
    udp_ports=(64738,),
    udp_words=lambda _: _PING,
    greets=True,
    aliases=("murmur",),
)
