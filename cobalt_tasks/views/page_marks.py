"""The marks at the ends of pages: the key of the last row as a text that is passed on as it is."""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from cobalt_tasks.core.errors import ConfigurationError

Key = tuple[Any, ...]


class PageMarkError(ConfigurationError):
    """The mark is not the `next` of a page of this list."""


def _is_number(value: object) -> bool:
    return isinstance(value, float | int)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and "\0" not in value


_FITS: Final[Mapping[str, Callable[[object], bool]]] = {
    **dict.fromkeys(("last_seen", "score", "counted", "points", "not_after"), _is_number),
    "port": lambda value: isinstance(value, int) and 0 <= value < 1 << 16,
    "id": lambda value: isinstance(value, int) and 0 <= value < 1 << 63,
}
"""What the values of a column must be; those of the others are texts."""


def marked(key: Key) -> str:
    """Return the mark of a row by its key."""
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).decode().rstrip("=")


def unmarked(mark: str, names: Sequence[str]) -> Key:
    """Return the key that a `mark` stands for, with values for the columns with these `names`.

    Raises:
        PageMarkError: it stands for none.

    """
    try:
        text = base64.urlsafe_b64decode(mark.encode() + b"=" * (-len(mark) % 4))
        values = msgspec.json.decode(text, type=list[int | float | str])
    except (binascii.Error, UnicodeError, msgspec.MsgspecError, ValueError):
        raise PageMarkError from None
    if len(values) != len(names) or not all(map(lambda name, value: _FITS.get(name, _is_text)(value), names, values)):
        raise PageMarkError
    return tuple(values)
