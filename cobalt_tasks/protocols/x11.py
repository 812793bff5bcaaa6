"""X11: the connection set-up (X Window System Protocol, section 8)."""

import re

from cobalt_tasks.protocols.base import Protocol
from cobalt_tasks.protocols.fingerprint import Fingerprint, clean

_SETUP = bytes.fromhex("6c000b000000000000000000")
_FAILED = re.compile(rb"\x00([\x01-\xff])\x0b\x00\x00\x00", re.DOTALL)
_SUCCESS = re.compile(rb"\x01\x00\x0b\x00\x00\x00", re.DOTALL)
_HEAD = 8
_VENDOR = 40


def recognise(raw: bytes) -> Fingerprint | None:
    """Success shows the vendor and its release; a refusal has a reason."""
    if failed := _FAILED.match(raw[:2] + raw[2:6]):
        return Fingerprint("x11", info=clean(raw[_HEAD : _HEAD + failed[1][0]])) if len(raw) > _HEAD else None
    if not _SUCCESS.match(raw[:6]) or len(raw) < _VENDOR:
        return None
    length = int.from_bytes(raw[24:26], "little")
    vendor = clean(raw[_VENDOR : _VENDOR + length])
    release = int.from_bytes(raw[8:12], "little")
    version = f"{release // 10**7}.{release // 10**5 % 100}.{release // 1000 % 100}" if release >= 10**7 else None
    return Fingerprint("x11", "X.Org" if vendor and "X.Org" in vendor else vendor, version, info="open to strangers")


PROTOCOL = Protocol(
    name="x11",
    recognise=recognise,
    ports=tuple(range(6000, 6010)),
    words=lambda _: _SETUP,
    likelihood=54,
    rejects_http=True,
    aliases=("x11:access", "x-window"),
)
