"""Remembers what was written, in bounded memory."""

from typing import Final

_MOST: Final = 200_000


class Recent:
    """The keys that came last. What is longer ago is forgotten, and may be written once more."""

    def __init__(self) -> None:
        """Start without any."""
        self._keys: dict[str, None] = {}

    def is_new(self, key: str) -> bool:
        """Return whether a key was not among those that came last; from now on it is."""
        if key in self._keys:
            return False
        if len(self._keys) >= _MOST:
            del self._keys[next(iter(self._keys))]
        self._keys[key] = None
        return True
