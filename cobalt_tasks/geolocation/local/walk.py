"""Walks a database in MaxMind's format whole, before it is installed: https://maxmind.github.io/MaxMind-DB/.

The reader written in C, which all workers use, believes what it reads: one changed byte can end its process. So every
record of the search tree and all data it leads to are checked here first, byte by byte, then read by that reader too. It
is run as a program of its own (`inspect_file`): if that crashes, or takes too much time or memory, the file is refused.
"""

import os
import resource
import subprocess
import sys
import time
from array import array
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from mmap import ACCESS_READ, mmap
from pathlib import Path
from socket import AF_INET, AF_INET6, inet_ntop
from typing import Final

import maxminddb
import msgspec
from msgspec import Struct

from cobalt_tasks.core.errors import GeodbError
from cobalt_tasks.core.text import printable

MARKER: Final = b"\xab\xcd\xefMaxMind.com"
TAIL: Final = 128 * 1024
"""The marker of the metadata lies in the last bytes of a file, so many at most."""

_SECONDS: Final = 900.0
_MEMORY: Final = 3 << 30
_MOST_VALUES: Final = 20_000
"""Values one record may unfold to: pointers let a few bytes mean billions."""

_DEEPEST: Final = 32
_GAP: Final = 16
"""Zero bytes between tree and data."""

_WIDTHS: Final = (24, 28, 32)
_SAY_EVERY: Final = 200_000
_STRING, _BYTES, _MAP, _ARRAY, _BOOLEAN = 2, 4, 7, 11, 14
_POINTER: Final = 1
_RAW: Final = frozenset({_STRING, _BYTES})
_FIXED: Final = {3: 8, 15: 4}
_LONGEST: Final = {5: 2, 6: 4, 8: 4, 9: 8, 10: 16}


class Inspected(Struct, frozen=True, kw_only=True):
    """What a sound database says of itself: its type, and when it was built (epoch seconds)."""

    kind: str
    built: float


def inspect_files(paths: Sequence[Path], say: Callable[[str], None]) -> dict[Path, Inspected]:
    """Walk files, as many at once as there are processors.

    say: gets lines about the progress, from several threads.

    Raises:
        GeodbError: one is no database, or a damaged one.

    """
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return dict(zip(paths, pool.map(lambda path: inspect_file(path, say), paths), strict=True))


def inspect_file(path: Path, say: Callable[[str], None]) -> Inspected:
    """Walk a file in a process of its own.

    say: gets lines about the progress.

    Raises:
        GeodbError: it is no database, or a damaged one.

    """
    command = [sys.executable, "-m", "cobalt_tasks.geolocation.local.walk", str(path)]
    deadline = time.monotonic() + _SECONDS
    last = ""
    with subprocess.Popen(  # noqa: S603  # our own program
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            for line in process.stdout or ():
                last = line.rstrip("\n")
                if last.startswith("+ "):
                    say(f"{printable(path.name.encode())}: {last[2:]}")
                if time.monotonic() > deadline:
                    break
            code = process.wait(max(1.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            code = None
        finally:
            process.kill()
    name = printable(path.name.encode())
    if code == 0:
        return msgspec.json.decode(last, type=Inspected)
    if code == 1 and last.startswith("- "):
        raise GeodbError(f"{name} is no sound database in MaxMind's format: {last[2:]}")
    raise GeodbError(f"{name} is no sound database in MaxMind's format: reading it ends in a crash or does not end")


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

        level: how many values it lies in.

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


def _walk(path: Path, say: Callable[[str], None]) -> Inspected:
    with path.open("rb") as opened:
        mapped = mmap(opened.fileno(), 0, access=ACCESS_READ)
    view = memoryview(mapped)
    start = mapped.rfind(MARKER, max(0, len(mapped) - TAIL))
    if start < 0:
        raise UnsoundError("it has no metadata")
    Data(bytes(view[start + len(MARKER) :])).check(0)
    with maxminddb.open_database(path, maxminddb.MODE_MMAP) as reader:
        about = reader.metadata()
    nodes, width, version = about.node_count, about.record_size, about.ip_version
    if width not in _WIDTHS or version not in {4, 6} or not 0 < nodes < 1 << 31:
        raise UnsoundError("its metadata make no sense")
    size = nodes * width // 4
    if size + _GAP > start:
        raise UnsoundError("it is cut: its search tree is longer than the file")
    records = _records(view[:size], width)
    parents, leaves = _tree(records, nodes, start - size - _GAP)
    data = Data(bytes(view[size + _GAP : start]))
    for count, offset in enumerate(leaves, 1):
        data.check(offset)
        if not count % _SAY_EVERY:
            say(f"{count} of {len(leaves)} records checked")
    with maxminddb.open_database(path, maxminddb.MODE_MMAP_EXT) as reader:
        for record in leaves.values():
            reader.get(_address(parents, record, version))
    return Inspected(kind=str(about.database_type), built=float(about.build_epoch))


def _records(tree: memoryview, width: int) -> "array[int]":
    """Return the records of the tree as numbers, two for each node."""
    raw = bytes(tree)
    wide = bytearray(len(raw) * 32 // width)
    if width == 28:  # noqa: PLR2004  # the two high nibbles share the byte in the middle
        wide[0::8] = raw[3::7].translate(bytes(byte >> 4 for byte in range(256)))
        wide[4::8] = raw[3::7].translate(bytes(byte & 15 for byte in range(256)))
        for target, source in ((1, 0), (2, 1), (3, 2), (5, 4), (6, 5), (7, 6)):
            wide[target::8] = raw[source::7]
    else:
        skipped = 4 - width // 8
        for byte in range(width // 8):
            wide[skipped + byte :: 4] = raw[byte :: width // 8]
    records = array("I", bytes(wide))
    if sys.byteorder == "little":
        records.byteswap()
    return records


def _tree(records: "array[int]", nodes: int, data: int) -> tuple["array[int]", dict[int, int]]:
    """Return the record that leads to each node, and for each offset of data one record that leads there.

    Raises:
        UnsoundError: a record leads out of the file, or back to where it came from.

    """
    parents = array("I", bytes(4 * nodes))
    leaves: dict[int, int] = {}
    backward = False
    for index, record in enumerate(records):
        if record < nodes:
            # Aliases (6to4, mapped) lead to a node that has a parent already; its own comes first.
            if record > index >> 1:
                parents[record] = index
            else:
                backward = True
        elif record > nodes:
            offset = record - nodes - _GAP
            if not 0 <= offset < data:
                raise UnsoundError("its search tree leads out of the file")
            leaves.setdefault(offset, index)
    if backward and _has_circle(records, nodes):
        raise UnsoundError("its search tree leads in a circle")
    return parents, leaves


def _has_circle(records: "array[int]", nodes: int) -> bool:
    """Return whether a way from the root comes back to itself. Nodes are entered once, and left once."""
    entered, left = bytearray(nodes), bytearray(nodes)
    stack = [0]
    while stack:
        node = stack[-1]
        if entered[node]:
            left[node] = 1
            stack.pop()
            continue
        entered[node] = 1
        for child in records[2 * node : 2 * node + 2]:
            if child < nodes and not left[child]:
                if entered[child]:
                    return True
                stack.append(child)
    return False


def _address(parents: "array[int]", record: int, version: int) -> str:
    """Return an address whose look-up ends at a record; any where the way there is longer than an address."""
    family, places = (AF_INET6, 128) if version == 6 else (AF_INET, 32)  # noqa: PLR2004  # IPv6
    number = length = 0
    # From the record up to the root: its last bit is found first.
    while length < 128:  # noqa: PLR2004  # no way is longer in a sound file
        number |= (record & 1) << length
        length += 1
        if record < 2:  # noqa: PLR2004  # a record of the root
            break
        record = parents[record >> 1]
    number = number << (places - length) if length <= places else number >> (length - places)
    return inet_ntop(family, number.to_bytes(places // 8))


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _say(line: str) -> None:
    _write(f"+ {line}")


def main(path: Path) -> int:
    """Walk a file; print progress, and last what it is, or why it is refused."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY + 2 * path.stat().st_size,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (int(_SECONDS), int(_SECONDS)))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        found = _walk(path, _say)
    except (UnsoundError, maxminddb.InvalidDatabaseError, MemoryError) as error:
        reason = str(error) or "it needs too much memory"
    except Exception as error:  # noqa: BLE001  # whatever a damaged file makes the other reader raise
        reason = f"{type(error).__name__}: {error}"
    else:
        _write(msgspec.json.encode(found).decode())
        return 0
    _write(f"- {printable(reason.splitlines()[0].encode('utf-8', 'replace'))[:300]}")
    return 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
