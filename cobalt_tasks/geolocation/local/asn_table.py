"""Which network (autonomous system) announces an address: a list of ranges compiled to one file that is mapped, not read.

The list is CSV as ip-location-db publishes it: first, last, number, "organisation"; addresses as text or as integers,
IPv4 or IPv6. The file holds sorted arrays, in this machine's byte order (it is compiled where it is used):

    header | IPv4: firsts, lasts, owners | IPv6: firsts, lasts, owners | owners: number, end of name | names (UTF-8)
"""

import csv
import mmap
import struct
import sys
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from pathlib import Path
from socket import AF_INET, AF_INET6, inet_pton
from typing import BinaryIO

from cobalt_tasks.core.errors import GeodbError

_MAGIC = b"COBALT asn 1 " + sys.byteorder[0].encode() + b"\n\0"
_HEADER = struct.Struct("=16sQQQQd")
_LARGEST_ASN = 2**32 - 1
_COLUMNS = 4
_WORD = 8
_LOW = 2**64 - 1

Range = tuple[int, int, int]


class AsnTable:
    """A compiled list, open for look-ups."""

    def __init__(self, file: Path) -> None:
        """Map the file.

        Raises:
            GeodbError: it is not a compiled list, or not of this machine's kind.
            OSError: it cannot be read.

        """
        with file.open("rb") as opened:
            try:
                self._map = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
            except ValueError:
                raise GeodbError(f"{file.name} is empty") from None
        if len(self._map) < _HEADER.size or not self._map[: len(_MAGIC)] == _MAGIC:
            raise GeodbError(f"{file.name} is no list of networks compiled on this machine")
        _, fours, sixes, owners, names, self.built = _HEADER.unpack_from(self._map)
        sizes = (fours * 4, fours * 4, fours * 4, sixes * 16, sixes * 16, sixes * 4, owners * 4, owners * 4, names)
        starts = [_HEADER.size]
        for size in sizes:
            starts.append(starts[-1] + size + -size % _WORD)
        if starts[-1] != len(self._map):
            raise GeodbError(f"{file.name} is cut")
        view = memoryview(self._map)
        parts = [view[start : start + size] for start, size in zip(starts, sizes, strict=False)]
        self._first4, self._last4, self._owner4 = (part.cast("I") for part in parts[:3])
        self._first6, self._last6 = _Wide(parts[3]), _Wide(parts[4])
        self._owner6, self._number, self._end = (part.cast("I") for part in parts[5:8])
        self._names = parts[8]

    def get(self, address: str) -> tuple[int, str] | None:
        """Return the number and the organisation that announces an address, or None."""
        if ":" in address:
            found = _owner(int.from_bytes(inet_pton(AF_INET6, address)), self._first6, self._last6, self._owner6)
        else:
            found = _owner(int.from_bytes(inet_pton(AF_INET, address)), self._first4, self._last4, self._owner4)
        if found is None:
            return None
        start = self._end[found - 1] if found else 0
        return self._number[found], str(self._names[start : self._end[found]], "utf-8")


def _owner(
    value: int, first: "_Wide | memoryview[int]", last: "_Wide | memoryview[int]", owner: "memoryview[int]"
) -> int | None:
    index = bisect_right(first, value) - 1
    return None if index < 0 or last[index] < value else owner[index]


class _Wide:
    """An array of 128-bit numbers."""

    def __init__(self, view: memoryview) -> None:
        self._words = view.cast("Q")

    def __len__(self) -> int:
        return len(self._words) // 2

    def __getitem__(self, index: int) -> int:
        return self._words[2 * index] << 64 | self._words[2 * index + 1]


def compile_table(lines: Iterable[str], target: BinaryIO, built: float) -> int:
    """Compile CSV lines into a file; return the number of its ranges.

    Args:
        lines: first, last, number, organisation; ranges do not overlap, in any order.
        target: the file, open for writing.
        built: the build time of the list, epoch seconds.

    Raises:
        GeodbError: a line cannot be read, or the list is empty.

    """
    owners: dict[tuple[int, str], int] = {}
    fours: list[Range] = []
    sixes: list[Range] = []
    for first, last, version, number, name in _rows(lines):
        owner = owners.setdefault((number, name), len(owners))
        (fours if version == 4 else sixes).append((first, last, owner))  # noqa: PLR2004
    if not owners:
        raise GeodbError("the list of networks is empty")
    names = [name.encode() for _, name in owners]
    ends = array("I")
    end = 0
    for encoded in names:
        ends.append(end := end + len(encoded))
    fours.sort()
    sixes.sort()
    target.write(_HEADER.pack(_MAGIC, len(fours), len(sixes), len(owners), end, built))
    parts = (
        *(array("I", column).tobytes() for column in _columns(fours)),
        *_wide_columns(sixes),
        array("I", (number for number, _ in owners)).tobytes(),
        ends.tobytes(),
        b"".join(names),
    )
    target.writelines(part + bytes(-len(part) % _WORD) for part in parts)
    return len(fours) + len(sixes)


def _rows(lines: Iterable[str]) -> Iterator[tuple[int, int, int, int, str]]:
    for count, row in enumerate(csv.reader(lines), 1):
        try:
            first, last, version = _bounds(row[0], row[1])
            number = int(row[2])
            name = row[3] if len(row) >= _COLUMNS else ""
        except (ValueError, IndexError):
            raise GeodbError(f"row {count} of the list of networks is not first,last,number,organisation") from None
        if not 0 <= number <= _LARGEST_ASN or not first <= last < 2**128:
            raise GeodbError(f"row {count} of the list of networks is out of range")
        yield first, last, version, number, name


def _bounds(first: str, last: str) -> tuple[int, int, int]:
    if first.isdigit():
        low, high = int(first), int(last)
        return low, high, 4 if high < 2**32 else 6
    low_address, high_address = ip_address(first), ip_address(last)
    return int(low_address), int(high_address), low_address.version


def _columns(ranges: list[Range]) -> Iterator[list[int]]:
    return ([each[index] for each in ranges] for index in range(3))


def _wide_columns(ranges: list[Range]) -> Iterator[bytes]:
    for index in (0, 1):
        words = array("Q")
        for each in ranges:
            words.append(each[index] >> 64)
            words.append(each[index] & _LOW)
        yield words.tobytes()
    yield array("I", (owner for _, _, owner in ranges)).tobytes()
