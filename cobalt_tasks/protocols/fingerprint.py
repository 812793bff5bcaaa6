"""What a recogniser returns."""

import re
from collections.abc import Callable, Mapping

from msgspec import Struct

from cobalt_tasks.core.text import hostname, printable

LONGEST = 120
"""Characters kept of a product's name or version."""

_DOTTED = re.compile(rb"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+")


class Fingerprint(Struct, frozen=True):
    """What an answer shows about the program that sent it. Unknown parts are None.

    version: the product's own; never that of the protocol.
    names: host names the answer mentions as its own.
    info: one line of what else is worth reading, such as a page's title or the protocol's version.
    cpe: the product as CPE 2.3 without its version, `vendor:product`, if it has one.
    os, device: operating system, and kind of device (`router`, `printer` …), where the answer names them.
    extras: further fields by name, as text.
    wants_tls: the answer shows that the port speaks TLS; offers_tls: TLS can be started inside the connection.
    confidence: 1.0 for the program's own words, less for a guess.
    sources: where parts come from, by their names, that are not from our own recogniser.
    """

    service: str | None = None
    product: str | None = None
    version: str | None = None
    names: tuple[str, ...] = ()
    info: str | None = None
    cpe: str | None = None
    os: str | None = None
    device: str | None = None
    extras: Mapping[str, str] = {}
    wants_tls: bool = False
    offers_tls: bool = False
    confidence: float = 1.0
    sources: Mapping[str, str] = {}


Recogniser = Callable[[bytes], Fingerprint | None]
"""Looks at the first bytes of an answer; None: not this protocol."""


def clean(part: bytes | None) -> str | None:
    """Return a product or version as short text on one line, or None when nothing is left."""
    if part is None:
        return None
    return " ".join(printable(part[:LONGEST]).split()) or None


def dotted_name(part: bytes) -> tuple[str, ...]:
    """Return the host name that stands first in a greeting, as the names of a fingerprint."""
    found = _DOTTED.match(part.lstrip(b"[< "))
    name = hostname(found[0].decode("ascii")) if found else None
    return (name,) if name else ()


def first_product(raw: bytes, products: tuple[tuple[str, re.Pattern[bytes]], ...]) -> tuple[str | None, str | None]:
    """Return the first product whose pattern is found, and its version: the pattern's group, if it has one.

    raw: the answer; products: names with their patterns.
    """
    for product, pattern in products:
        if found := pattern.search(raw):
            return product, clean(found[1]) if pattern.groups else None
    return None, None
