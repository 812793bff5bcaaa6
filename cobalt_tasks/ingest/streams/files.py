"""Bytes by position: a file is its own journal."""

import hashlib
import os
import stat
import time
from pathlib import Path
from typing import Final, Protocol

from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.ingest.streams import decompress as compressed

PRINT: Final = 4096
"""Bytes of a fingerprint, at the head of a source and before its checkpoint."""

_LOOK_SECONDS: Final = 0.1
"""Seconds between two looks at a file that is followed."""


def fingerprint(data: bytes) -> str:
    """Return a fingerprint: two pieces of input have the same only if they are equal."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def storable(name: str) -> str:
    """Return a name that every database can store: file names may hold bytes that are no text."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


class Stream(Protocol):
    """Where bytes come from. Positions count from the very first byte, decompressed."""

    name: str
    key: str
    """What the ledger knows it by; empty for a file, which is known by its inode and content."""
    may_grow: bool
    """Whether a last record without its end may be completed later."""

    @property
    def size(self) -> int | None:
        """Where the bytes end that are there now, as far as is known; None if unknown."""

    def sample(self, size: int) -> bytes:
        """Return the first bytes there are, without reading on."""

    def peek(self, position: int, size: int) -> bytes:
        """Return up to `size` bytes at `position`; reading goes on from there."""

    def around(self, position: int) -> tuple[bytes, bytes]:
        """Go to a position; return the first bytes of all, as far as before it, and the bytes just before it."""

    def read(self, size: int) -> bytes:
        """Return the next bytes, up to `size`; nothing when there are none now."""

    def ended(self) -> bool:
        """Return whether no more bytes can come."""

    def wait(self, seconds: float) -> None:
        """Wait until more bytes may be there, or the time is over."""

    def arrival(self, position: int) -> float:
        """Return when the byte at a position arrived here, in epoch seconds."""

    def release(self, position: int) -> None:
        """Know that everything before a position is in the ledger."""

    def close(self) -> None:
        """Close what is open; nothing is deleted."""


class FileStream:
    """A file given by name."""

    key = ""
    may_grow = True

    def __init__(self, path: Path, name: str | None = None) -> None:
        """Open the regular file at `path`; `name` is that of its source, None for the path.

        Raises:
            ConfigurationError: it is missing, or cannot be read.

        """
        self.path = path
        self.name = storable(name or str(path.absolute()))
        try:
            # Opening a named pipe would wait for who writes into it.
            if not stat.S_ISREG(path.stat().st_mode):
                raise ConfigurationError(f"{path}: not a regular file; pipe it in with - instead")
            self._raw = path.open("rb")
        except OSError as error:
            raise ConfigurationError(f"{path}: {error.strerror}") from None
        status = os.fstat(self._raw.fileno())
        self.device = status.st_dev
        self.inode = status.st_ino
        unpack = compressed.opener(self._raw)
        try:
            self._unpacked = compressed.Unpacked(self._raw, unpack) if unpack else None
        except ConfigurationError:
            self._raw.close()
            raise
        self._file = self._unpacked or self._raw
        self._over = False

    @property
    def size(self) -> int | None:
        """How many bytes it has now; of a compressed file an estimate, by what was read of it so far."""
        found = os.fstat(self._raw.fileno()).st_size
        return self._unpacked.estimated(found) if self._unpacked else found

    def sample(self, size: int) -> bytes:
        """Return the first bytes."""
        return self.peek(0, size)

    def around(self, position: int) -> tuple[bytes, bytes]:
        """Return head and tail, and go to a position."""
        head = self.peek(0, min(PRINT, position))
        before = min(PRINT, position)
        tail = self.peek(position - before, before)
        self._file.seek(position)
        return head, tail

    def peek(self, position: int, size: int) -> bytes:
        """Return up to `size` bytes at `position`; reading goes on from there."""
        self._file.seek(position)
        data = self._file.read(size)
        self._file.seek(position)
        return data

    def read(self, size: int) -> bytes:
        """Return the next bytes."""
        return self._file.read(size)

    def ended(self) -> bool:
        """A file ends where it ends now."""
        return True

    def wait(self, seconds: float) -> None:
        """Nothing comes."""

    def arrival(self, position: int) -> float:  # noqa: ARG002  # all of it was there before
        """A file's lines arrive when they are read."""
        return time.time()

    def release(self, position: int) -> None:
        """A file stays."""

    def close(self) -> None:
        """Close the file."""
        self._raw.close()


class FollowedFile(FileStream):
    """A file that goes on growing, until another takes its name or it is cut."""

    def ended(self) -> bool:
        """Return whether its name means another file now, or it was cut: nothing more comes into this one."""
        if self._over:
            return True
        # What was written before the change is read once more before this is believed.
        self._over = self._is_replaced()
        return False

    def wait(self, seconds: float) -> None:
        """Wait a moment before the next look."""
        if not self._over:
            time.sleep(min(seconds, _LOOK_SECONDS))

    def _is_replaced(self) -> bool:
        status = os.fstat(self._raw.fileno())
        try:
            named = self.path.stat()
        except FileNotFoundError:
            # Moved away: what moves it makes a new one.
            return True
        return (named.st_dev, named.st_ino) != (status.st_dev, status.st_ino) or status.st_size < self._raw.tell()
