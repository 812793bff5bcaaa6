"""The icon of a web site: where it lies, and its digests as others publish them (Shodan's mmh3, recog's MD5)."""

import base64
import hashlib
import re
from typing import Final

from cobalt_tasks.core.text import LONGEST

DEFAULT: Final = "/favicon.ico"
LIMIT: Final = 16 * 1024
"""Bytes of an answer with an icon; a larger icon has no digest."""

_LINK: Final = re.compile(rb"<link\s[^>]{0,300}", re.IGNORECASE)
_REL: Final = re.compile(rb"\brel=[\"']?(?:shortcut )?icon\b", re.IGNORECASE)
_HREF: Final = re.compile(rb"\bhref=[\"']?([^\"'\s>]{1,200})", re.IGNORECASE)
_PATH: Final = re.compile(r"(?!//)/?[A-Za-z0-9._~%/-]{1,200}(?:\?[A-Za-z0-9._~%=&-]{0,100})?")
_MASK: Final = 0xFFFFFFFF


def path_in(page: bytes) -> str:
    """Return the path of the icon that a page names, if it lies on the same server; else where icons usually lie."""
    for link in _LINK.findall(page[: 2 * LONGEST]):
        href = _HREF.search(link) if _REL.search(link) else None
        path = href[1].decode("ascii", "replace") if href else ""
        if path != "/" and _PATH.fullmatch(path):
            return path if path.startswith("/") else f"/{path}"
    return DEFAULT


def digests(icon: bytes) -> dict[str, str]:
    """Return the digests of an icon by name: MD5 of its bytes, and MurmurHash3 of their base64, as Shodan has it."""
    return {
        "favicon_md5": hashlib.md5(icon, usedforsecurity=False).hexdigest(),
        "favicon_mmh3": str(murmur3(base64.encodebytes(icon))),
    }


def murmur3(data: bytes) -> int:
    """Return MurmurHash3 (x86, 32 bits, seed 0) as a signed number."""
    value, whole = 0, len(data) & ~3
    for at in range(0, whole, 4):
        value ^= _mixed(int.from_bytes(data[at : at + 4], "little"))
        value = (value << 13 | value >> 19) & _MASK
        value = (value * 5 + 0xE6546B64) & _MASK
    if len(data) > whole:
        value ^= _mixed(int.from_bytes(data[whole:], "little"))
    value ^= len(data)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        value = (value ^ value >> shift) * factor & _MASK
    return value - (1 << 32) if value >> 31 else value


def _mixed(block: int) -> int:
    block = block * 0xCC9E2D51 & _MASK
    return ((block << 15 | block >> 17) & _MASK) * 0x1B873593 & _MASK
