"""How masscan writes the bytes of a banner, and what its words mean. One home for all its formats."""

import re
from typing import Final

_ESCAPE: Final = re.compile(rb"\\x([0-9a-fA-F]{2})")
_OPEN: Final = frozenset({"open", "up"})
_OTHER: Final = frozenset({"closed", "unknown"})


def from_code_points(text: str) -> bytes:
    r"""Return the bytes of a banner in JSON, which has one \u00NN for each byte, not for each character."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode()


def from_escapes(text: bytes) -> bytes:
    r"""Return the bytes of a banner in text formats, which have one \xNN for each byte."""
    return _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), text)


def is_open(status: str) -> bool | None:
    """Return whether a status means an answer worth keeping; None for a word masscan does not use."""
    return True if status in _OPEN else False if status in _OTHER else None
