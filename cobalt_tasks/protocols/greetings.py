"""Greetings: when all of one is there."""

import re
from typing import Final

_LAST_LINE: Final = re.compile(rb"(?:\A|\n)(?!\d{3}-)[^\n]*\n\Z")
_MYSQL_HEADER: Final = 4


def greeting_is_complete(raw: bytes) -> bool:
    """Return whether a greeting is all there: a last line (not one of `220-`, RFC 959 4.2), or a whole MySQL packet.

    Some SSH servers go on with binary packets at once.
    """
    if _LAST_LINE.search(raw) or (raw.startswith(b"SSH-") and b"\n" in raw):
        return True
    return len(raw) > _MYSQL_HEADER and len(raw) == _MYSQL_HEADER + int.from_bytes(raw[:3], "little")
