"""Formats whose records are JSON objects, however they stand in the text (`json_text.py`)."""

from abc import abstractmethod
from functools import lru_cache
from typing import Any, Final

from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.formats import wrapped
from cobalt_tasks.ingest.formats.base import BLANK, KnownLineFormat
from cobalt_tasks.ingest.formats.json_text import (
    UNREADABLE,
    Record,
    apart,
    decode,
    explain,
    is_answer,
    is_between,
    lines,
    whole,
)

_MOST_STARTS: Final = 32
"""Places in a damaged text where another record is looked for."""


class JsonFormat(KnownLineFormat):
    """A format whose records are JSON objects, known by their keys."""

    @classmethod
    @abstractmethod
    def owns(cls, record: dict[str, Any]) -> bool:
        """Return whether a record is surely of this format."""

    @classmethod
    def score(cls, sample: bytes) -> int:
        """Count the objects of the sample that are surely of this format."""
        return sum(cls.owns(each) for record in records(sample) for each, _ in wrapped.objects(record, cls.owns))

    @classmethod
    def recognises(cls, line: bytes) -> bool:
        """Return whether a line that is whole is one object of this format."""
        try:
            return cls.owns(decode(line))
        except UNREADABLE:
            return False

    def split(self, data: bytes) -> int:
        """Cut after the last whole record."""
        return whole(data)

    def parse(self, data: bytes, position: int, batch: Batch) -> None:
        """Read each object: the records of `data`, which starts at byte `position`, into `batch`."""
        for at, text in lines(data):
            line = text.strip(BLANK)
            if line:
                try:
                    record = decode(line)
                except UNREADABLE as error:
                    self._apart(line, explain(error), position + at, batch)
                else:
                    if "hits" in record and is_answer(line):
                        self._apart(line, "", position + at, batch)
                    else:
                        self._read(record, line, position + at, batch)

    def line(self, line: bytes, batch: Batch) -> None:
        """Read one object, a `line`, into `batch`."""
        try:
            record = decode(line)
        except UNREADABLE as error:
            raise RefusedError(explain(error)) from None
        self.record(record, batch)

    @abstractmethod
    def record(self, record: dict[str, Any], batch: Batch) -> None:
        """Read one object into the batch.

        Args:
            record: the object.
            batch: what it is added to.

        Raises:
            RefusedError: it is not of this format; nothing of it was counted.

        """

    def _read(self, record: Record, line: bytes, position: int, batch: Batch, before: bytes = b"") -> None:
        """Read an object, or those that it wraps.

        record: the object; line: its bytes, at byte `position`; batch: what it is added to; before: what stands before it.
        """
        known = wrapped.time_before(before, batch.arrived_at)
        for inner, when in wrapped.objects(record, self.owns):
            at = known if when is None else when
            if at is not None:
                batch.written_at = min(at, batch.arrived_at)
            try:
                self.record(inner, batch)
            except RefusedError as refused:
                batch.reject(position, str(refused), line)
        batch.written_at = batch.arrived_at

    def _apart(self, line: bytes, reason: str, position: int, batch: Batch) -> None:
        """Read the objects of a line that is not one object: elements of an array, joined ones, one behind a prefix."""
        if is_between(line):
            return
        pieces = apart(line)
        if not pieces or (len(pieces) == 1 and len(pieces[0][1]) == len(line) and not self._find(line)):
            batch.reject(position, reason, line)
            return
        for at, piece in pieces:
            try:
                record = decode(piece)
            except UNREADABLE as error:
                start = self._find(piece)
                batch.reject(position + at, explain(error), piece[:start] if start else piece)
                if start:
                    self._read(decode(piece[start:]), piece[start:], position + at + start, batch)
            else:
                self._read(record, piece, position + at, batch, line[:at] if len(pieces) == 1 else b"")

    def _find(self, damaged: bytes) -> int:
        """Return where a whole record of this format starts behind one that was cut; 0 when there is no such."""
        at = 0
        for _ in range(_MOST_STARTS):
            at = damaged.find(b'{"', at + 1)
            if at < 0:
                return 0
            if self.recognises(damaged[at:]):
                return at
        return 0


@lru_cache(1)
def records(sample: bytes) -> tuple[Record, ...]:
    """Return the objects of a sample, decoded once for all formats."""
    found = []
    for _, text in lines(sample):
        for piece in _pieces(text.strip(BLANK)):
            try:
                found.append(decode(piece))
            except UNREADABLE:
                continue
    return tuple(found)


def _pieces(line: bytes) -> list[bytes]:
    if line.startswith(b"{") and line.endswith(b"}") and b"}{" not in line and not is_answer(line):
        return [line]
    return [piece for _, piece in apart(line)]
