"""gzip, bzip2, xz and zstd files, read as what is in them. A file that was cut is read as far as it goes.

An archive is data of strangers: what unpacking takes of memory is bounded, and so is work that yields nothing.
"""

import bz2
import lzma
import os
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO, Final, Protocol

from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.ingest.streams import packet_capture

_CHUNK: Final = 64 * 1024

_XZ_MEMORY: Final = 72 << 20
"""Bytes that unpacking xz may take: as much as `xz -9` needs (65 MiB), and a little more."""

_ZSTD_WINDOW: Final = 32 << 20
"""Bytes of a zstd window, a power of two: more than any level of `zstd` uses without --ultra or --long."""

_EMPTY_MEMBERS: Final = 10_000
"""Members without content, one after another, after which a file is a bomb and no input."""
_GZIP: Final = 16 + zlib.MAX_WBITS


class Reader(Protocol):
    """Reads forward."""

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes; nothing at the end."""


class _Gzip:
    """Makes zlib's object look like those of bz2 and lzma."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(_GZIP)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


class _Members:
    """Reads one compressed member after another; however much is in a byte of them, only what was asked for is held."""

    def __init__(self, file: BinaryIO, make: Callable[[], Any], damage: tuple[type[Exception], ...]) -> None:
        self._file = file
        self._make = make
        self._damage = damage
        self._member = make()
        self._empty = 0

    def read(self, size: int) -> bytes:
        while self._empty < _EMPTY_MEMBERS:
            if self._member.eof:
                data = self._next_member()
                if not data:
                    return b""
                self._member = self._make()
                self._empty += 1
            else:
                data = self._file.read(_CHUNK) if self._member.needs_input else b""
                if not data and self._member.needs_input:
                    return b""
            try:
                found: bytes = self._member.decompress(data, size)
            except self._damage as error:
                raise _damaged(self._file, error) from None
            if found:
                self._empty = 0
                return found
        raise _damaged(self._file, "too many members without content")

    def _next_member(self) -> bytes:
        """Return the first bytes of what follows a member and its padding; none at the end of the file."""
        data: bytes = self._member.unused_data.lstrip(b"\0")
        while not data and (more := self._file.read(_CHUNK)):
            data = more.lstrip(b"\0")
        return data


class _Zstd:
    """zstd through its own reader, which holds no more than was asked for either."""

    def __init__(self, file: BinaryIO) -> None:
        import zstandard  # noqa: PLC0415  # few files need it

        self._file = file
        self._error = zstandard.ZstdError
        self._open: Callable[[], Any] = lambda: zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).stream_reader(
            file, read_size=_CHUNK, read_across_frames=True, closefd=False
        )
        self._reader = self._open()
        self._given = self._seen = 0

    def read(self, size: int) -> bytes:
        try:
            found: bytes = self._reader.read(size)
            if not found and self._has_grown():
                found = self._read_on(size)
        except self._error as error:
            raise _damaged(self._file, error) from None
        self._given += len(found)
        return found

    def _has_grown(self) -> bool:
        size = os.fstat(self._file.fileno()).st_size
        grown, self._seen = self._seen and size > self._seen, size
        return bool(grown)

    def _read_on(self, size: int) -> bytes:
        """Start again: zstd's reader does not go on once it has met the end."""
        self._file.seek(0)
        self._reader = self._open()
        left = self._given
        while left and (passed := self._reader.read(min(_CHUNK, left))):
            left -= len(passed)
        found: bytes = self._reader.read(size)
        return found


def _xz() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(memlimit=_XZ_MEMORY)


def _damaged(file: BinaryIO, error: object) -> ConfigurationError:
    """Return what to raise for a file that cannot be unpacked further; it may only need more memory than it gets."""
    name = getattr(file, "name", "the file")
    text = str(error)
    if "emory" in text:
        return ConfigurationError(
            f"{name}: unpacking it takes more memory than is allowed: unpack it yourself, and read the result"
        )
    return ConfigurationError(f"{name}: damaged before its byte {file.tell()}: {text}")


_GZIP_MAGIC: Final = b"\x1f\x8b"
_MAGIC: Final[dict[bytes, Callable[[BinaryIO], Reader]]] = {
    _GZIP_MAGIC: lambda file: _Members(file, _Gzip, (zlib.error,)),
    b"BZh": lambda file: _Members(file, bz2.BZ2Decompressor, (OSError,)),
    b"\xfd7zXZ\x00": lambda file: _Members(file, _xz, (lzma.LZMAError,)),
    b"\x28\xb5\x2f\xfd": _Zstd,
    **dict.fromkeys(packet_capture.MAGIC, packet_capture.CaptureReader),
}
_LONGEST_MAGIC: Final = max(map(len, _MAGIC))


def opener(file: BinaryIO) -> Callable[[BinaryIO], Reader] | None:
    """Return what reads a compressed file from its start, known by its first bytes; None for a plain one."""
    file.seek(0)
    start = file.read(_LONGEST_MAGIC)
    file.seek(0)
    found = next((reader for magic, reader in _MAGIC.items() if start.startswith(magic)), None)
    return packet_capture.CaptureReader if found and _is_packed_capture(file, start) else found


def _is_packed_capture(file: BinaryIO, start: bytes) -> bool:
    """Return whether gzip holds a packet capture, which tshark unpacks itself."""
    if not start.startswith(_GZIP_MAGIC):
        return False
    try:
        return _Members(file, _Gzip, (zlib.error,)).read(_LONGEST_MAGIC).startswith(packet_capture.MAGIC)
    except ConfigurationError:
        return False
    finally:
        file.seek(0)


def is_packed(start: bytes) -> bool:
    """Return whether bytes are the start of a compressed file."""
    return start.startswith(tuple(_MAGIC)) and not start.startswith(packet_capture.MAGIC)


class Unpacked:
    """What is in a compressed file, by position; going back means reading again from the start."""

    def __init__(self, file: BinaryIO, reader: Callable[[BinaryIO], Reader]) -> None:
        """Start at the first byte; `reader` makes a reader of the compressed `file`."""
        self._file = file
        self._open = reader
        self._wanted = self._at = 0
        self._reader = reader(file)
        self._damage: ConfigurationError | None = None

    def seek(self, position: int) -> None:
        """Read from a position next."""
        self._wanted = position

    def read(self, size: int) -> bytes:
        """Return the next bytes, fewer than `size` only at the end."""
        if self._wanted < self._at:
            self._restart()
        while self._at < self._wanted:
            skipped = self._gather(min(_CHUNK, self._wanted - self._at))
            if not skipped:
                return b""
            self._at += len(skipped)
        found = self._gather(size)
        self._at += len(found)
        self._wanted = self._at
        return found

    def estimated(self, size: int) -> int | None:
        """Return how much is in a file of so many bytes, if the rest of it is packed as what was read so far."""
        taken = self._file.tell()
        return self._at * size // taken if self._at and taken else None

    def _gather(self, size: int) -> bytes:
        """Read up to `size` bytes; what stands before damage is returned, and the damage is raised when nothing is left."""
        if self._damage is not None:
            raise self._damage
        found = b""
        try:
            while len(found) < size and (more := self._reader.read(size - len(found))):
                found += more
        except ConfigurationError as error:
            self._damage = error
            if not found:
                raise
        return found

    def _restart(self) -> None:
        self._damage = None
        self._file.seek(0)
        self._reader = self._open(self._file)
        self._at = 0
