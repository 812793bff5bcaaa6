"""Reads one source from its checkpoint to its end: cut, parse, plan, commit, again. Memory is bounded."""

import time
from collections.abc import Callable
from typing import Final

from msgspec import Struct, json
from sqlalchemy import Connection

from cobalt_tasks.ingest import formats, own_faults
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.commit import Committer
from cobalt_tasks.ingest.derive import Planner
from cobalt_tasks.ingest.formats.base import BLANK, Format
from cobalt_tasks.ingest.store import partial_line, write_batch
from cobalt_tasks.ingest.store.sources import Checkpoint, Source, Work
from cobalt_tasks.ingest.streams.files import PRINT, Stream, fingerprint

_SMALLEST_PIECE: Final = 64 * 1024
_LARGEST_PIECE: Final = 512 * 1024
_SLOW_SECONDS: Final = 0.1
_QUICK_SECONDS: Final = 0.05
"""Transactions that take longer, or less long, are made smaller or larger. Each batch has a cost of its own, the larger
part of it pages that many batches write again: half as long transactions cost a third more.
"""

_WAIT_SECONDS: Final = 0.5
_MOST_FAULTS: Final = 100
"""Records that faults of ours may refuse in one reading. More are no strange records: the reading ends with the next."""


class ReadingState(Struct, omit_defaults=True):
    """What the checkpoint keeps beside the position."""

    skipping: bool = False
    format: str | None = None
    whole: bool = False
    """Of a journal, whose bytes are not kept: whether it was written to its end so far."""


def state_of(source: Source) -> ReadingState:
    """Return what the checkpoint of a source keeps."""
    return json.decode(source.parser_state, type=ReadingState) if source.parser_state else ReadingState()


class Reading:
    """One source being read."""

    def __init__(  # noqa: PLR0913  # what a reading consists of
        self,
        stream: Stream,
        source: Source,
        chosen: type[Format],
        *,
        port: int | None = None,
        planner: Planner,
        committer: Committer,
        stopping: Callable[[], bool],
        moved: Callable[[Source, Source, Batch], None],
    ) -> None:
        """Start at the checkpoint of `source`.

        stream: its bytes; chosen: its format; port: the one that was scanned, None if the input names it;
        planner: adds what follows from a batch; committer: writes it; stopping: returns whether to end early;
        moved: called after each commit with the source before and after, and the batch.
        """
        self.source = source
        self._stream = stream
        self._chosen, self._port = chosen, port
        self._planner = planner
        self._committer = committer
        self._stopping = stopping
        self._moved = moved
        state = state_of(source)
        self._format = self._fresh(state.format)
        self._skipping = state.skipping
        self._position = source.position
        self._buffer = b""
        self._head, self._tail = stream.around(source.position)
        self._piece = _LARGEST_PIECE // 4
        self._began = 0.0
        self._faults = 0

    def run(self) -> Source:
        """Read to the end, or until asked to stop; return the source as the ledger has it."""
        if not self._complete_last_line():
            return self.source
        while not self._stopping():
            data = self._stream.read(self._piece)
            if data:
                self._read(data)
            elif self._stream.ended():
                self._finish()
                break
            else:
                self._stream.wait(_WAIT_SECONDS)
        return self.source

    def is_whole(self) -> bool:
        """Return whether the input, now read to its end, was written to its end."""
        if self.source.partial_line is not None:
            return False
        tail = (self._tail + self._buffer)[-PRINT:]
        return self._format.is_whole(tail) if tail else state_of(self.source).whole

    def _complete_last_line(self) -> bool:
        """Undo a partial line when more of the file has come; return False when nothing new has."""
        log = partial_line.undo_log_of(self.source)
        if log is None:
            return True
        if len(self._stream.peek(self._position, log.length + 1)) <= log.length and self._stream.ended():
            return False
        source = self.source
        self._commit(lambda connection: partial_line.undo(connection, source), self._new_batch())
        return True

    def _read(self, data: bytes) -> None:
        if self._skipping:
            data = self._skip(data)
        self._buffer += data
        # Only the first record can be too long: the others came with this piece, which is smaller.
        if len(self._buffer) > self._format.longest and not self._refuse_long():
            return
        whole = self._format.split(self._buffer)
        if whole:
            self._store(whole)

    def _store(self, length: int) -> None:
        """Store the whole records in the first bytes. One that a fault of ours cannot read is refused, and ends nothing."""
        while length:
            piece = length
            while not self._try_to_store(piece):
                piece = self._half(piece)
            length -= piece
        self._adjust_piece(time.monotonic() - self._began)

    def _try_to_store(self, length: int) -> bool:
        """Store some whole records, in one transaction; return False where a fault of ours kept one of several from it."""
        before, source = (self._position, self._head, self._tail, self._buffer, self._format.state), self.source
        data, self._buffer = self._buffer[:length], self._buffer[length:]
        try:
            batch = self._planner.plan(self._parse(data))
            self._write(batch, self._advance(data))
        except own_faults.NOT_OF_A_RECORD:
            raise
        except Exception as fault:
            if self.source is not source:
                # It is stored; what failed came after.
                raise
            self._position, self._head, self._tail, self._buffer, state = before
            self._format = self._fresh(state)
            if self._half(length) < length:
                return False
            batch = self._planner.plan(self._refuse(data, fault))
            self._buffer = self._buffer[length:]
            self._write(batch, self._advance(data))
        return True

    def _refuse(self, data: bytes, fault: Exception) -> Batch:
        if self._faults == _MOST_FAULTS:
            raise fault
        self._faults += 1
        batch = self._new_batch()
        batch.reject(self._position, own_faults.reason(fault), data)
        return batch

    def _half(self, length: int) -> int:
        """Return how long about half of the records in the first `length` bytes are; all of them where there is one."""
        data = self._buffer[:length]
        return self._format.split(data[: length // 2]) or self._format.resume(data) or length

    def _finish(self) -> None:
        """Store what is left without its end: as a partial line of a file, which may grow; for good from a pipe."""
        data = self._buffer
        if not data.strip(BLANK):
            return
        if not self._stream.may_grow:
            self._store(len(data))
            return
        state = self._format.state
        try:
            batch = self._parse(data)
        except own_faults.NOT_OF_A_RECORD:
            raise
        except Exception as fault:  # noqa: BLE001  # as in _try_to_store
            batch = self._refuse(data, fault)
        if batch.records == 0:
            self._format.state = state
            return
        self._planner.plan(batch)
        # The line will be read again, with the state from before it.
        self._format.state = state
        source, checkpoint, length = self.source, self._checkpoint(), len(data)
        self._commit(
            lambda connection: partial_line.store(
                connection, source, batch, checkpoint, length=length, digest=fingerprint(data)
            ),
            batch,
        )

    def _refuse_long(self) -> bool:
        """Refuse the first record if it is too long; return False when its end is still to come and is passed over."""
        end = self._format.resume(self._buffer)
        if 0 < end <= self._format.longest:
            return True
        self._skipping = end == 0
        length = end or len(self._buffer)
        data, self._buffer = self._buffer[:length], self._buffer[length:]
        batch = self._new_batch()
        batch.reject(self._position, f"longer than {self._format.longest >> 20} MiB", data)
        self._write(self._planner.plan(batch), self._advance(data))
        return not self._skipping

    def _skip(self, data: bytes) -> bytes:
        """Pass over the rest of a long record; return what follows it."""
        end = self._format.resume(data)
        self._skipping = end == 0
        passed, rest = (data[:end], data[end:]) if end else (data, b"")
        self._write(self._new_batch(), self._advance(passed))
        return rest

    def _fresh(self, state: str | None) -> Format:
        made = self._chosen()
        made.port, made.state = self._port, state
        return made

    def _new_batch(self) -> Batch:
        return Batch(self.source.id, self._stream.arrival(self._position), self._format.tool)

    def _parse(self, data: bytes) -> Batch:
        batch, position = self._new_batch(), self._position
        if position == 0 and data.startswith(formats.BYTE_ORDER_MARK):
            data, position = data[len(formats.BYTE_ORDER_MARK) :], len(formats.BYTE_ORDER_MARK)
        self._format.parse(data, position, batch)
        return batch

    def _advance(self, data: bytes) -> Checkpoint:
        self._position += len(data)
        if len(self._head) < PRINT:
            self._head = (self._head + data)[:PRINT]
        self._tail = (self._tail + data[-PRINT:])[-PRINT:]
        return self._checkpoint()

    def _checkpoint(self) -> Checkpoint:
        whole = bool(self._stream.key) and self._format.is_whole(self._tail)
        state = ReadingState(skipping=self._skipping, format=self._format.state, whole=whole)
        return Checkpoint(
            position=self._position,
            format=self._format.name,
            head=self._stream.key or fingerprint(self._head),
            head_length=0 if self._stream.key else len(self._head),
            tail=fingerprint(self._tail),
            parser_state=None if state == ReadingState() else json.encode(state).decode(),
        )

    def _write(self, batch: Batch, checkpoint: Checkpoint) -> None:
        source = self.source

        def work(connection: Connection) -> Source:
            # From here others wait for us: how long we waited for them does not matter.
            self._began = time.monotonic()
            return write_batch.store(connection, source, batch, checkpoint)

        self._commit(work, batch)

    def _commit(self, work: Work, batch: Batch) -> None:
        before = self.source
        self.source = self._committer.commit(before, self._position, work)
        self._stream.release(self.source.position)
        self._moved(before, self.source, batch)

    def _adjust_piece(self, seconds: float) -> None:
        """Where only one can write, keep transactions short enough for the workers to commit theirs in between."""
        if self._committer.is_exclusive and seconds > _SLOW_SECONDS:
            self._piece = max(_SMALLEST_PIECE, self._piece // 2)
        elif not self._committer.is_exclusive or seconds < _QUICK_SECONDS:
            self._piece = min(_LARGEST_PIECE, self._piece * 2)
