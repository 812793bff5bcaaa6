"""Checks the data section of a database in MaxMind's format: https://maxmind.github.io/MaxMind-DB/#output-data-section.

Types, sizes, pointers and texts are checked, values are not kept. The search tree is checked by `search_tree`.
"""

from typing import Final

_MOST_VALUES: Final = 20_000
"""Values one record may unfold to: pointers let a few bytes mean billions."""

_DEEPEST: Final = 32
_STRING, _BYTES, _MAP, _ARRAY, _BOOLEAN = 2, 4, 7, 11, 14
_POINTER: Final = 1
_RAW: Final = frozenset({_STRING, _BYTES})
_FIXED: Final = {3: 8, 15: 4}
_LONGEST: Final = {5: 2, 6: 4, 8: 4, 9: 8, 10: 16}


class UnsoundError(Exception):
    """A database breaks the rules of its format."""


class OutsideError(UnsoundError):
    """A value or a pointer lies behind the end of the data."""

    def __init__(self) -> None:
        """Need no more words."""
        super().__init__("data that lies outside the file")


class Data:
    """The data section, or the metadata: values with pointers among them. A file has millions, so calls are few."""

    def __init__(self, data: bytes) -> None:
        """Check nothing yet."""
        self._data = data
        self._known: dict[int, tuple[int, int]] = {}
        """Target of a pointer: its depth, and how many values it unfolds to."""
        self._texts: set[int] = set()
        """Targets of pointers that are known to be strings."""

    def check(self, offset: int, level: int = 0) -> tuple[int, int, int]:
        """Check the value at an offset and all it contains; return (offset behind it, depth, values).

        Args:
            offset: bytes from the start of the section.
            level: the number of values that contain it.

        Raises:
            UnsoundError: it breaks the format's rules, or unfolds to too much.

        """
        if level > _DEEPEST:
            raise UnsoundError("a value contains itself, or too many others in one another")
        kind, size, at = self._head(offset)
        if kind == _POINTER:
            target, behind = self._target(size, at)
            return behind, *self._follow(target, level)
        if kind == _MAP:
            return self._map(at, size, level)
        if kind == _ARRAY:
            return self._array(at, size, level)
        if kind == _BOOLEAN and size <= 1:
            return at, 1, 1
        if kind in _RAW or size == _FIXED.get(kind) or size <= _LONGEST.get(kind, -1):
            raw = self._data[at : at + size]
            if len(raw) != size:
                raise OutsideError
            if kind == _STRING and not raw.isascii():
                _decode(raw)
            return at + size, 1, 1
        raise UnsoundError(f"a value of type {kind} and size {size}")

    def _follow(self, target: int, level: int) -> tuple[int, int]:
        found = self._known.get(target)
        if found is None:
            if self._head(target)[0] == _POINTER:
                raise UnsoundError("a pointer to a pointer")
            found = self._known[target] = self.check(target, level + 1)[1:]
        depth, values = found
        if level + depth > _DEEPEST:
            raise UnsoundError("a value contains too many others in one another")
        return depth + 1, values

    def _map(self, at: int, size: int, level: int) -> tuple[int, int, int]:
        depth, values = 0, 1
        for _ in range(size):
            at, below, more = self.check(self._key(at, level + 1), level + 1)
            values += more
            depth = max(depth, below)
            if values > _MOST_VALUES:
                raise UnsoundError("a value unfolds to too many others")
        return at, depth + 1, values

    def _array(self, at: int, size: int, level: int) -> tuple[int, int, int]:
        depth, values = 0, 1
        for _ in range(size):
            at, below, more = self.check(at, level + 1)
            depth, values = max(depth, below), values + more
            if values > _MOST_VALUES:
                raise UnsoundError("a value unfolds to too many others")
        return at, depth + 1, values

    def _key(self, offset: int, level: int) -> int:
        """Check the key of a map; return the offset behind it."""
        kind, size, at = self._head(offset)
        if kind == _POINTER:
            target, behind = self._target(size, at)
            if target not in self._texts:
                if self._head(target)[0] != _STRING:
                    raise UnsoundError("a key that is no text")
                self._follow(target, level)
                self._texts.add(target)
            return behind
        if kind != _STRING:
            raise UnsoundError("a key that is no text")
        return self.check(offset, level)[0]

    def _head(self, offset: int) -> tuple[int, int, int]:
        """Return type, size (of a pointer: its five bits) and the offset behind the control bytes."""
        data = self._data
        try:
            control = data[offset]
            kind, size, at = control >> 5, control & 0x1F, offset + 1
            if kind == _POINTER:
                return kind, size, at
            if not kind:
                kind, at = data[at] + 7, at + 1
        except IndexError:
            raise OutsideError from None
        if size >= 29:  # noqa: PLR2004  # larger sizes follow in 1 to 3 bytes
            extra = size - 28
            size = self._number(at, extra) + (29, 285, 65821)[extra - 1]
            at += extra
        return kind, size, at

    def _target(self, bits: int, at: int) -> tuple[int, int]:
        width = (bits >> 3) + 1
        number = self._number(at, width)
        if width < 4:  # noqa: PLR2004  # the longest has its own four bytes
            number += ((bits & 7) << (8 * width)) + (0, 2048, 526336)[width - 1]
        return number, at + width

    def _number(self, offset: int, size: int) -> int:
        raw = self._data[offset : offset + size]
        if len(raw) != size:
            raise OutsideError
        return int.from_bytes(raw)


def _decode(raw: bytes) -> None:
    try:
        str(raw, "utf-8")
    except UnicodeDecodeError:
        raise UnsoundError("text that is not UTF-8") from None
