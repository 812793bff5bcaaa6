"""Journals: what came through a pipe, on disk until the ledger has it."""

import fcntl
import os
import select
import shutil
import subprocess
import sys
import time
import uuid
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from cobalt_tasks.core.coverage import ScanCoverage
from cobalt_tasks.core.errors import JournalError
from cobalt_tasks.core.private_files import open_own
from cobalt_tasks.ingest.streams.files import PRINT
from cobalt_tasks.ingest.streams.journal_writer import SEGMENT, STAMP, UNHEARD_EXIT, clock_file, data_file

LIMIT: Final = 1 << 30
"""Bytes a journal may take on disk, unless the user sets another limit."""

_ABOUT: Final = "about.json"
_STRETCH_SECONDS: Final = 1.0
"""Bytes that arrived within this time may be read together and share a time of arrival."""

_CLOCK_BYTES: Final = STAMP.size * 4096
_WRITER_SECONDS: Final = 5.0
_LOCK_TRIES: Final = 20
_LOCK_PAUSE_SECONDS: Final = 0.02


class About(Struct, frozen=True, kw_only=True):
    """What a journal is: the name of its source, and the format that the user named."""

    name: str
    format: str | None = None
    family: str | None = None
    port: int | None = None
    covers: tuple[ScanCoverage, ...] = ()
    is_from_network: bool = False
    """Any program that reaches a TCP port may have written it."""


class JournalStream:
    """The bytes of one journal, from wherever its reading stopped."""

    may_grow = False

    def __init__(self, folder: Path) -> None:
        """Open a journal for reading, alone.

        Raises:
            JournalError: it cannot be read, or another process reads it.

        """
        self.folder = folder
        self.key = folder.name
        try:
            self.about = msgspec.json.decode((folder / _ABOUT).read_bytes(), type=About)
            self._reader = _patient_lock(folder / "reader")
        except (OSError, msgspec.DecodeError) as error:
            raise JournalError(f"the journal in {folder} cannot be read: {error}") from None
        if self._reader is None:
            raise JournalError(f"another process reads the journal in {folder}")
        self.name = self.about.name
        self._process: subprocess.Popen[bytes] | None = None
        self._alive = self._notify = -1
        self._over = False
        self._position = 0
        self._file = self._clock = -1
        self._start = -1
        self._released = 0
        self._stamps: list[tuple[int, float]] = []

    def follow(self, process: "subprocess.Popen[bytes]", alive: int, notify: int) -> None:
        """Be notified by the process that writes it when more has come.

        process: the writer; alive: the descriptor whose end it watches; notify: where it writes a byte for each piece.
        """
        self._process, self._alive, self._notify = process, alive, notify

    @property
    def size(self) -> int | None:
        """Where the bytes end that are there now."""
        starts = self._starts()
        return starts[-1] + data_file(self.folder, starts[-1]).stat().st_size if starts else self._position

    def sample(self, size: int) -> bytes:
        """Return the first bytes, as far as they are still there."""
        try:
            with data_file(self.folder, 0).open("rb") as file:
                return file.read(size)
        except FileNotFoundError:
            return b""

    def peek(self, position: int, size: int) -> bytes:  # noqa: ARG002  # journals have no partial lines
        """Return nothing: no byte of a journal is read twice. `position` and `size` are not used."""
        return b""

    def around(self, position: int) -> tuple[bytes, bytes]:
        """Go to a position. A journal is known by its name: it needs no fingerprints."""
        self._position = self._released = position
        self._leave()
        return b"\0" * PRINT, b""

    def read(self, size: int) -> bytes:
        """Return the next bytes: none from more than one segment, none that arrived much later than the first."""
        if self._file < 0 and not self._enter():
            return b""
        data = os.pread(self._file, self._stretch(size), self._position - self._start)
        if not data and self._position > self._start and data_file(self.folder, self._position).exists():
            self._leave()
            return self.read(size)
        self._position += len(data)
        return data

    def ended(self) -> bool:
        """Return whether its writer is gone and all it wrote was read. Call it after reading nothing.

        Raises:
            JournalError: its writer did not end by itself: what it had not written is lost.

        """
        if self._over:
            if self._process is not None and self._process.returncode:
                raise JournalError(f"{self.name}: {_failure(self._process.returncode)}")
            return True
        # What was written before the writer went is read once more before this is believed.
        self._over = self._writer_is_gone()
        return False

    def wait(self, seconds: float) -> None:
        """Wait until the writer has written."""
        if self._over:
            return
        if self._notify < 0:
            time.sleep(min(seconds, 0.1))
            return
        readable, _, _ = select.select([self._notify], [], [], seconds)
        if readable and not os.read(self._notify, 65536):
            os.close(self._notify)
            self._notify = -1

    def arrival(self, position: int) -> float:
        """Return when the byte at a position was journaled."""
        if not self._stamps:
            return time.time()
        return self._stamps[max(0, self._stamp(position))][1]

    def release(self, position: int) -> None:
        """Delete the segments that end before a position."""
        self._released = position
        starts = self._starts()
        for start, following in pairwise(starts):
            if following <= position:
                data_file(self.folder, start).unlink(missing_ok=True)
                clock_file(self.folder, start).unlink(missing_ok=True)

    def close(self) -> None:
        """End the writer; the journal stays."""
        self._leave()
        if self._alive >= 0:
            os.close(self._alive)
            self._alive = -1
        if self._process is not None:
            try:
                self._process.wait(_WRITER_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._notify >= 0:
            os.close(self._notify)
            self._notify = -1
        if self._reader is not None:
            os.close(self._reader)
            self._reader = None

    def is_stored(self) -> bool:
        """Return whether everything was read and stored, and nothing can come."""
        return self._over and self._position == self.size == self._released

    def discard(self) -> None:
        """Delete the journal, all of which is in the ledger."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _enter(self) -> bool:
        starts = self._starts()
        before = [start for start in starts if start <= self._position]
        if not before:
            if starts:
                raise JournalError(f"the journal in {self.folder} has lost the bytes from {self._position}")
            return False
        self._start = before[-1]
        self._file = os.open(data_file(self.folder, self._start), os.O_RDONLY | os.O_CLOEXEC)
        self._clock = os.open(clock_file(self.folder, self._start), os.O_RDONLY | os.O_CLOEXEC)
        self._stamps = []
        return True

    def _leave(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            os.close(self._clock)
            self._file = self._clock = -1

    def _stretch(self, size: int) -> int:
        """Return how many bytes may be read such that they share a time of arrival."""
        self._load_stamps()
        here = self._stamp(self._position)
        if here < 0:
            return size
        last = self._stamps[here][1] + _STRETCH_SECONDS
        for start, when in self._stamps[here + 1 :]:
            if start - self._position >= size:
                break
            if when > last:
                return start - self._position
        return size

    def _load_stamps(self) -> None:
        # By descriptor: a segment that is read to its end and stored has no name any more.
        data = b""
        at = len(self._stamps) * STAMP.size
        while more := os.pread(self._clock, _CLOCK_BYTES, at + len(data)):
            data += more
        whole = len(data) - len(data) % STAMP.size
        self._stamps.extend(STAMP.iter_unpack(data[:whole]))

    def _stamp(self, position: int) -> int:
        return bisect_right(self._stamps, position, key=lambda stamp: stamp[0]) - 1

    def _starts(self) -> list[int]:
        return sorted(int(path.stem) for path in self.folder.glob("*.data"))

    def _writer_is_gone(self) -> bool:
        if self._process is not None:
            return self._process.poll() is not None
        lock = take_lock(self.folder / "writer")
        if lock is None:
            return False
        os.close(lock)
        return True


def start(folder: Path, about: About, limit: int = LIMIT, segment: int = SEGMENT, listen: str = "") -> JournalStream:
    """Start a journal of standard input, or of what comes to an address (tcp://HOST:PORT or unix:PATH), written by a process of its own.

    folder: that of all journals; about: what it is; limit: bytes that it may take on disk; segment: bytes of one file;
    listen: the address, empty for standard input.

    Raises:
        JournalError: the folder cannot be written.

    """
    try:
        os.fstat(0)
    except OSError:
        # The number of a standard input that is closed would be given to a file of ours.
        os.set_inheritable(os.open(os.devnull, os.O_RDONLY), True)
    journal = folder / f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{uuid.uuid4().hex[:12]}"
    try:
        journal.mkdir(parents=True, mode=0o700)
        (journal / _ABOUT).write_bytes(msgspec.json.encode(about))
        lock = take_lock(journal / "writer")
    except OSError as error:
        shutil.rmtree(journal, ignore_errors=True)
        raise JournalError(f"no journal can be written in {folder}: {error.strerror}") from None
    stream = JournalStream(journal)
    alive_reader, alive = os.pipe()
    notify, notify_writer = os.pipe()
    given = [alive_reader, notify_writer, lock or -1]
    command = [
        sys.executable,
        "-m",
        "cobalt_tasks.ingest.streams.journal_writer",
        str(journal),
        str(limit),
        str(segment),
    ]
    process = subprocess.Popen(  # noqa: S603  # our own module
        [*command, *map(str, given), *([listen] if listen else [])],
        pass_fds=given,
        stdout=subprocess.DEVNULL,
    )
    for descriptor in given:
        os.close(descriptor)
    stream.follow(process, alive, notify)
    return stream


def abandoned(folder: Path) -> Iterator[Path]:
    """Yield the journals whose writer and reader are both gone, the oldest first."""
    for journal in sorted(path for path in folder.glob("*-*") if path.is_dir()):
        if is_abandoned(journal):
            yield journal


def is_abandoned(journal: Path) -> bool:
    """Return whether nothing writes or reads a journal. Its reader's lock is not touched while it has a writer."""
    with ExitStack() as stack:
        for name in ("writer", "reader"):
            lock = take_lock(journal / name)
            if lock is None:
                return False
            stack.callback(os.close, lock)
        return True


def _failure(code: int) -> str:
    """Return what an exit code of the writer means."""
    if code == UNHEARD_EXIT:
        return "nothing could be listened to"
    how = f"was killed by signal {-code}" if code < 0 else f"failed with {code}"
    return f"the process that journals it {how}: what it had not journaled yet is lost; all else is stored"


def _patient_lock(path: Path) -> int | None:
    """Lock what a view may hold for a moment, while it looks whether a journal is abandoned."""
    for _ in range(_LOCK_TRIES):
        if (lock := take_lock(path)) is not None:
            return lock
        time.sleep(_LOCK_PAUSE_SECONDS)
    return None


def take_lock(path: Path) -> int | None:
    """Acquire a lock that ends with the process, whatever kills it; None when another process has it."""
    descriptor = open_own(path, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
