"""Names and versions of products out of header values such as Server, Via or User-Agent (RFC 9110 10.1.5)."""

import re
from typing import Final

from cobalt_tasks.protocols.fingerprint import clean

_PART: Final = re.compile(rb"\(([^()]{0,200})\)|([A-Za-z][^\s/();,\[\]]{0,100})(?:/([^\s();,\[\]]{1,100}))?")
_BARE_VERSION: Final = re.compile(rb"[ \t]{0,4}\(?v?([0-9]{1,9}\.[0-9][\w.+~-]{0,60})")

_SYSTEMS: Final = {
    b"debian": "Debian",
    b"raspbian": "Raspbian",
    b"ubuntu": "Ubuntu",
    b"centos": "CentOS",
    b"fedora": "Fedora",
    b"red": "Red Hat",
    b"redhat": "Red Hat",
    b"rocky": "Rocky Linux",
    b"almalinux": "AlmaLinux",
    b"suse": "SUSE",
    b"gentoo": "Gentoo",
    b"alpine": "Alpine Linux",
    b"arch": "Arch Linux",
    b"freebsd": "FreeBSD",
    b"openbsd": "OpenBSD",
    b"netbsd": "NetBSD",
    b"openwrt": "OpenWrt",
    b"darwin": "macOS",
    b"macos": "macOS",
    b"win32": "Windows",
    b"win64": "Windows",
    b"windows": "Windows",
    b"linux": "Linux",
    b"gnu": "Linux",
    b"unix": "Unix",
    b"posix": "Unix",
}
"""What names an operating system, the more exact before the less."""

_STANDARDS: Final = frozenset({b"upnp", b"dlnadoc", b"ipp", b"http", b"soap", b"sip", b"rtsp", b"dav"})
"""Tokens of header values that name what is spoken, not who speaks."""


def product_of(value: bytes) -> tuple[str | None, str | None]:
    """Return the product a header value names, and its version: the first that is no operating system and no standard."""
    for found in _PART.finditer(value[:300]):
        name, version = found[2], found[3]
        if name is None or name.lower() in _STANDARDS or name.lower() in _SYSTEMS:
            continue
        if version is None and (bare := _BARE_VERSION.match(value, found.end())):
            version = bare[1]
        return clean(name), clean(version)
    return None, None


def system_of(value: bytes) -> str | None:
    """Return the operating system a greeting or header value names."""
    words = {word.lower() for word in re.findall(rb"[A-Za-z]{2,20}[0-9]{0,2}", value[:300])}
    return next((system for word, system in _SYSTEMS.items() if word in words), None)
