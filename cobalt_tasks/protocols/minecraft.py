"""Minecraft: the Server List Ping (minecraft.wiki, Java Edition protocol, Server List Ping)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol, Target
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_STATUS_REQUEST: Final = b"\x01\x00"
_PROTOCOL_ANY, _NEXT_STATUS = b"\xff\xff\xff\xff\x0f", b"\x01"
_ANSWER: Final = re.compile(rb"(?:[\x80-\xff]{0,4}[\x00-\x7f])\x00[\x80-\xff]{0,4}[\x00-\x7f](\{)", re.DOTALL)
_NAME: Final = re.compile(rb'"version":\s?\{[^{}]{0,200}?"name":\s?"([^"]{1,80})"')
_RELEASE: Final = re.compile(rb"(?:([A-Za-z][\w -]{0,40}) )?([0-9]+\.[0-9]+(?:\.[0-9]+)?)")
_ONLINE: Final = re.compile(rb'"online":\s?([0-9]{1,9})')
_MOST: Final = re.compile(rb'"max":\s?([0-9]{1,9})')


def ping(target: Target) -> bytes:
    """Return the handshake that asks for the status, and the request itself."""
    host = (target.name or target.address).encode()[:100]
    body = b"\x00" + _PROTOCOL_ANY + bytes((len(host),)) + host + target.port.to_bytes(2, "big") + _NEXT_STATUS
    return bytes((len(body),)) + body + _STATUS_REQUEST


def recognise(raw: bytes) -> Fingerprint | None:
    """A status: JSON with the version's name, in which proxies and other servers put theirs in front."""
    if not _ANSWER.match(raw) or not (name := _NAME.search(raw)):
        return None
    release = _RELEASE.match(name[1])
    online, most = _ONLINE.search(raw), _MOST.search(raw)
    counts = {"users": clean(online[1]) if online else None, "most_users": clean(most[1]) if most else None}
    product = clean(release[1]) if release and release[1] else "Minecraft server"
    return Fingerprint(
        "minecraft",
        product,
        clean(release[2]) if release else None,
        info=clean(name[1]),
        cpe="minecraft:minecraft" if product == "Minecraft server" else None,
        extras={key: value for key, value in counts.items() if value},
    )


PROTOCOL = Protocol(name="minecraft", recognise=recognise, ports=(25565,), words=ping)
