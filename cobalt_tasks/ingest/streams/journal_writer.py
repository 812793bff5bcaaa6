"""The process that stands between a pipe and everything else: bytes go to disk, stamped, before another process reads them.

Run as `python -m cobalt_tasks.ingest.streams.journal_writer FOLDER LIMIT SEGMENT ALIVE NOTIFY LOCK [tcp://HOST:PORT|unix:PATH]`; ALIVE, NOTIFY and LOCK are
inherited descriptors; with an address it reads lines of the programs that connect there, instead of from standard input. It imports next to nothing, ignores signals, and ends when its input ends; when the process that started it
is gone it takes what the pipe still holds, and ends too. It never throws bytes away: when the journal is full or the
disk is, it stops reading, reports that, and goes on when there is room.
"""

import errno
import fcntl
import os
import select
import signal
import struct
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

SEGMENT: Final = 8 << 20
"""Bytes of a segment file; it is named by the position of its first byte."""

STAMP: Final = struct.Struct("<Qd")
"""A line of a segment's clock: from this position on, bytes arrived at this time (epoch seconds)."""

_READ: Final = 1 << 18
_PIPE: Final = 1 << 20
_STAMP_SECONDS: Final = 0.01
_SYNC_SECONDS: Final = 0.2
_SYNC_BYTES: Final = 4 << 20
_WITHOUT_ADDRESS: Final = 6
_LITTLE: Final = 1 << 16
_GATHER_SECONDS: Final = 0.001
_ROOM_SECONDS: Final = 0.05
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

UNHEARD_EXIT: Final = 4
"""Exit code when the address cannot be listened to."""


def data_file(folder: Path, start: int) -> Path:
    """Return the file in `folder` of the segment whose first byte is at `start`."""
    return folder / f"{start:020d}.data"


def clock_file(folder: Path, start: int) -> Path:
    """Return the file in `folder` with the arrival times of the segment whose first byte is at `start`."""
    return folder / f"{start:020d}.clock"


class Writer:
    """Appends to segments; syncs from a thread of its own, so that a slow disk does not hold up reading."""

    def __init__(self, folder: Path, limit: int, segment: int = SEGMENT) -> None:
        """Start a new journal in `folder` of at most `limit` bytes, in files of `segment` bytes."""
        self._folder = folder
        self._limit = limit
        self._segment = segment
        self._position = 0
        self._start = 0
        self._written = limit
        self._stamped = 0.0
        self._unsynced = 0
        self._lock = threading.Lock()
        self._wanted = threading.Event()
        self._data = self._clock = -1
        self._open()
        threading.Thread(target=self._sync_always, daemon=True).start()

    def append(self, data: bytes) -> None:
        """Write bytes; waits, and reports that, as long as there is no room."""
        self._stamp()
        view = memoryview(data)
        complained = False
        while view:
            try:
                count = os.write(self._data, view) if self._has_room() else 0
            except OSError as error:
                if error.errno not in _FULL:
                    raise
                count = 0
            if not count:
                if not complained:
                    report(f"no room for more in {self._folder}: reading stops until there is")
                complained = True
                time.sleep(_ROOM_SECONDS)
            view = view[count:]
            self._position += count
            self._written += count
            self._unsynced += count
        if complained:
            report("there is room again: reading goes on")
        if self._unsynced > _SYNC_BYTES:
            self._wanted.set()
        if self._position - self._start >= self._segment:
            self._open()

    def close(self) -> None:
        """Sync what was written."""
        self._sync()

    def _open(self) -> None:
        if self._data >= 0:
            self._sync()
        with self._lock:
            for descriptor in (self._data, self._clock):
                if descriptor >= 0:
                    os.close(descriptor)
            self._start = self._position
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
            # The clock first: a reader that sees the data finds its time.
            self._clock = _opened(clock_file(self._folder, self._start), flags)
            self._stamped = 0.0
            self._stamp()
            self._data = _opened(data_file(self._folder, self._start), flags)

    def _stamp(self) -> None:
        now = time.time()
        if abs(now - self._stamped) >= _STAMP_SECONDS:
            self._stamped = now
            try:
                os.write(self._clock, STAMP.pack(self._position, now))
            except OSError as error:
                if error.errno not in _FULL:
                    raise

    def _has_room(self) -> bool:
        if self._written >= self._limit:
            # The reader deletes what it has stored: look what is left.
            self._written = sum(_size(path) for path in self._folder.glob("*.data"))
        return self._written < self._limit

    def _sync_always(self) -> None:
        while True:
            self._wanted.wait(_SYNC_SECONDS)
            self._wanted.clear()
            if self._unsynced:
                self._sync()

    def _sync(self) -> None:
        with self._lock:
            self._unsynced = 0
            try:
                os.fdatasync(self._data)
            except OSError as error:
                report(f"cannot sync the journal: {error.strerror}")


def copy(writer: Writer, source: int, alive: int, notify: int) -> None:
    """Copy `source`, a descriptor, into `writer` until it ends, or the other end of `alive` is closed and the pipe is empty.

    notify: a descriptor that gets a byte for each piece.
    """
    waiting = select.poll()
    waiting.register(source, select.POLLIN)
    waiting.register(alive, 0)
    os.set_blocking(notify, False)
    left = -1
    while left != 0:
        events = dict(waiting.poll(0 if left > 0 else None))
        if source in events:
            data = os.read(source, _READ)
            if not data:
                return
            writer.append(data)
            notify_reader(notify)
            left = max(0, left - len(data)) if left > 0 else left
            if len(data) < _LITTLE:
                # A pipe at whose end no process waits is quicker to write into, and there is room for much more.
                time.sleep(_GATHER_SECONDS)
        elif left > 0:
            return
        if alive in events and left < 0:
            # The reader of the journal is gone: what was written into the pipe before is still stored.
            left = _PIPE
            waiting.unregister(alive)


def main(arguments: list[str]) -> None:
    """Copy standard input."""
    folder, limit, segment, alive, notify = Path(arguments[0]), *map(int, arguments[1:5])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # What is no pipe, or no Linux, works with what it is.
    with suppress(OSError, AttributeError):
        fcntl.fcntl(0, fcntl.F_SETPIPE_SZ, _PIPE)
    writer = Writer(folder, limit, segment)
    try:
        if len(arguments) > _WITHOUT_ADDRESS:
            from cobalt_tasks.ingest.streams import listener as journal_listener  # noqa: PLC0415  # a pipe needs no sockets

            if not journal_listener.listen(writer, arguments[_WITHOUT_ADDRESS], alive, lambda: notify_reader(notify)):
                sys.exit(UNHEARD_EXIT)
        else:
            copy(writer, 0, alive, notify)
    finally:
        writer.close()


def notify_reader(notify: int) -> None:
    """Notify the reader that there is more."""
    # Full: the reader has not looked yet. Broken: it is gone.
    with suppress(OSError):
        os.write(notify, b".")


def _opened(path: Path, flags: int) -> int:
    """Open a file; on a full disk, wait until there is room for it."""
    complained = False
    while True:
        try:
            return os.open(path, flags, 0o600)
        except OSError as error:
            if error.errno not in _FULL:
                raise
        if not complained:
            report(f"no room for another file in {path.parent}: reading stops until there is")
        complained = True
        time.sleep(_ROOM_SECONDS)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def report(text: str) -> None:
    """Print a line on standard error, if it is open."""
    with suppress(OSError):
        sys.stderr.write(f"cobalt: journal: {text}\n")
        sys.stderr.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
