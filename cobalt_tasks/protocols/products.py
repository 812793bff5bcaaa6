"""Names and versions of products out of header values such as Server, Via or User-Agent (RFC 9110 10.1.5)."""

import re
from typing import Final

from cobalt_tasks.protocols.fingerprint import clean

_PART: Final = re.compile(rb"\(([^()]{0,200})\)|([A-Za-z][^\s/();,\[\]]{0,100})(?:/([^\s();,\[\]]{1,100}))?")
_BARE_VERSION: Final = re.compile(rb"[ \t]{0,4}\(?v?([0-9]{1,9}\.[0-9][\w.+~-]{0,60})")

_LETTER: Final = re.compile(r"[vV][0-9]")

_LONGEST: Final = 300
_MOST_WORDS: Final = 5

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
    b"sunos": "Solaris",
    b"solaris": "Solaris",
    b"aix": "AIX",
    b"linux": "Linux",
    b"gnu": "Linux",
    b"unix": "Unix",
    b"posix": "Unix",
}
"""What names an operating system, the more exact before the less."""

_UPNP: Final = re.compile(rb"\bUPnP/[0-9.]{1,8}[,;]?[ \t]{1,4}(?=[A-Za-z])", re.IGNORECASE)
"""What stands between the operating system and the product in a header of UPnP (UPnP Device Architecture 1.1.2)."""

_SDK: Final = re.compile(rb"\b(Portable SDK for UPnP devices)(?: ?/([0-9][\w.]{0,30}))?")

_PARTS: Final = frozenset({b"php", b"perl", b"python", b"cpython", b"pypy", b"ruby", b"java", b"openssl"})
"""Words that never continue a name: what the product beside them uses."""

_USED: Final = re.compile(rb"(?:(?:%s)/[^\s();,\[\]]{1,100}[ \t]{1,4}){1,4}" % b"|".join(sorted(_PARTS)), re.IGNORECASE)
"""Languages and libraries that a header value starts with."""

_STANDARDS: Final = frozenset(
    {b"upnp", b"dlnadoc", b"ipp", b"http", b"soap", b"sip", b"rtsp", b"dav", b"servlet", b"jsp"}
)
"""Tokens of header values that name a standard, not a program."""


def product_of(value: bytes) -> tuple[str | None, str | None]:
    """Return the product a header value names, and its version: the first that is no operating system and no standard.

    Words that follow each other without a version are one name: `Apache Tomcat/9.0`, `Wing FTP Server`. A language or a
    library is the product only if nothing else is named: `Python/3.11 aiohttp/3.9`. A value with characters that are not shown,
    or that turn the direction of writing, names nothing.
    """
    value = value[:_LONGEST]
    if not _is_shown(value):
        return None, None
    if sdk := _SDK.search(value):
        return clean(sdk[1]), clean(sdk[2])
    upnp = _UPNP.search(value)
    used = _USED.match(value)
    name, version = _first_product(value, upnp.end() if upnp else used.end() if used else 0)
    if not name and used:
        name, version = _first_product(value, 0)
    return name, _number(version)


def _is_shown(value: bytes) -> bool:
    """Return whether all of a header value can be read. It is UTF-8, or Latin-1 as HTTP has had it (RFC 9110 5.5)."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = value.decode("latin-1")
    return text.replace("\t", " ").isprintable()


def _number(version: str | None) -> str | None:
    """Return a version without the letter in front of it; None for a word without digits."""
    if version is None or not any(map(str.isdigit, version)):
        return None
    return version[1:] if _LETTER.match(version) else version


def _first_product(value: bytes, start: int) -> tuple[str | None, str | None]:
    """Return the first product from a place of a header value on, and its version.

    value: the header's; start: the place of its first byte that counts.
    """
    end, words = 0, list[bytes]()
    for found in _PART.finditer(value, start):
        name, version = found[2], found[3]
        if words and not (name and _is_word(name) and value[end : found.start()] == b" "):
            break
        if not words and (name is None or name.lower() in _STANDARDS or name.lower() in _SYSTEMS):
            continue
        if words and (name is None or name.lower() in _SYSTEMS or (version and not _is_title(words))):
            break
        words.append(name)
        end = found.end()
        if version is None and (bare := _BARE_VERSION.match(value, end)):
            version = bare[1]
        if version or len(words) == _MOST_WORDS:
            return clean(b" ".join(words)), clean(version)
    return (clean(b" ".join(words)), None) if words else (None, None)


def _is_word(name: bytes) -> bool:
    """Return whether a word may continue a name: it starts with a capital, and is no program of its own."""
    return name[:1].isupper() and name.lower() not in _PARTS


def _is_title(words: list[bytes]) -> bool:
    """Return whether all words of a name start with a capital: then one with a version ends it."""
    return all(map(_is_word, words))


def system_of(value: bytes) -> str | None:
    """Return the operating system a greeting or header value names."""
    words = {word.lower() for word in re.findall(rb"[A-Za-z]{2,20}[0-9]{0,2}", value[:300])}
    return next((system for word, system in _SYSTEMS.items() if word in words), None)
