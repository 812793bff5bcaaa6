"""What a recogniser returns."""

import re
from collections.abc import Callable

from msgspec import Struct

from cobalt_tasks.core.text import hostname, printable

LONGEST = 120
"""Characters kept of a product's name or version."""

_DOTTED = re.compile(rb"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+")


class Fingerprint(Struct, frozen=True):
    """What an answer tells about who gave it. Names are host names it mentions as its own."""

    service: str | None = None
    product: str | None = None
    version: str | None = None
    names: tuple[str, ...] = ()


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
    """Return the first product whose pattern is found, and its version: the pattern's group, if it has one."""
    for product, pattern in products:
        if found := pattern.search(raw):
            return product, clean(found[1]) if pattern.groups else None
    return None, None
