"""apcupsd's network information server: the command `status` (apcupsd manual, NIS Network Server Protocol)."""

import re
from typing import Final

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_START: Final = re.compile(rb"\x00[\x10-\x30]APC {6}: [0-9]{3},[0-9]{3},[0-9]{4}\n")
_LINE: Final = re.compile(rb"(HOSTNAME|VERSION|MODEL) {1,8}: ([^\n\x00]{1,100})")
_VERSION: Final = re.compile(rb"[0-9][\w.-]{0,30}")


def recognise(raw: bytes) -> Fingerprint | None:
    """Lines of the state of the power supply, each after its length."""
    if not _START.match(raw):
        return None
    lines = dict(_LINE.findall(raw))
    version = _VERSION.match(lines.get(b"VERSION", b""))
    return Fingerprint(
        "apcupsd",
        "apcupsd",
        clean(version[0]) if version else None,
        info=clean(lines.get(b"MODEL", b"").strip()),
        cpe="apcupsd:apcupsd",
    )


PROTOCOL = Protocol(
    name="apcupsd",
    recognise=recognise,
    ports=(3551,),
    words=lambda _: b"\x00\x06status",
    is_complete=lambda raw: raw.endswith(b"\x00\x00"),
)
