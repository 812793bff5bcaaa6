"""Formats of rows between commas or other separators, whose header names the columns."""

import csv
import re
from abc import abstractmethod
from collections.abc import Iterator
from typing import ClassVar, Final

import msgspec

from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.formats.base import BLANK, LineFormat

_SEPARATORS: Final = ",\t;| "
_MOST_LINES: Final = 16
_FEWEST: Final = 2
_MOST_LINES_OF_ROW: Final = 64
_LONGEST_ROW: Final = 64 * 1024
"""Lines and bytes of a row with cells of several lines; a quote that is not closed within them opens no cell."""

_opens_cell: Final = re.compile(rb'(?:^|[,;\t|]) *"').search


class Columns(msgspec.Struct):
    """A header: the names of the columns, and what stands between two."""

    separator: str = ","
    names: list[str] = []


class CsvTable(LineFormat):
    """A table whose header is a line of known columns; a new header starts over.

    Attributes:
        separators: what may stand between two cells; the first of them that makes a header counts.

    """

    separators: ClassVar[str] = _SEPARATORS
    edges: ClassVar[bytes] = b"\r"

    def __init__(self) -> None:
        """Start without a header."""
        self._columns = Columns()

    @classmethod
    @abstractmethod
    def is_header(cls, columns: list[str]) -> bool:
        """Return whether names, in lower case, are the columns of this format."""

    @abstractmethod
    def row(self, record: dict[str, str], batch: Batch) -> None:
        """Read one row into the batch.

        Args:
            record: its cells that are not empty, by the name of the column.
            batch: what it is added to.

        Raises:
            RefusedError: it cannot be used.

        """

    @classmethod
    def score(cls, sample: bytes) -> int:
        """Recognise by the header, in one of the first lines."""
        lines = sample.split(b"\n", _MOST_LINES)[:_MOST_LINES]
        return 1000 * any(cls._header(line.strip(b"\r")) is not None for line in lines)

    @property
    def names(self) -> list[str]:
        """The names of the columns; none before a header."""
        return self._columns.names

    @property
    def state(self) -> str | None:
        """The columns."""
        return msgspec.json.encode(self._columns).decode() if self._columns.names else None

    @state.setter
    def state(self, text: str | None) -> None:
        self._columns = msgspec.json.decode(text, type=Columns) if text else Columns()

    def split(self, data: bytes) -> int:
        """Cut after the last whole row: behind an open quote, lines belong to its cell."""
        end = super().split(data)
        if b'"' not in data:
            return end
        start = 0
        for start, row in _rows(data[:end]):
            if _is_open(row) and end - start <= _LONGEST_ROW and data.count(b"\n", start) <= _MOST_LINES_OF_ROW:
                return start
        return end

    def parse(self, data: bytes, position: int, batch: Batch) -> None:
        """Read each row of `data`, which starts at byte `position`, into `batch`; a quoted cell may stand over several lines."""
        if b'"' not in data:
            super().parse(data, position, batch)
            return
        for at, row in _rows(data):
            if row.startswith(b"{"):
                super().parse(row, position + at, batch)
            else:
                self.one(row, position + at, batch)

    def line(self, line: bytes, batch: Batch) -> None:
        """Read the header, or one row, from a `line` into `batch`."""
        if (header := self._header(line)) is not None:
            self._columns = header
            return
        columns = self._columns
        if not columns.names:
            self.headless(line, batch)
            return
        found = cells(line, columns.separator)
        if len(found) > len(columns.names):
            raise RefusedError(f"{len(found)} cells for {len(columns.names)} columns")
        self.row({name: cell for name, cell in zip(columns.names, found, strict=False) if cell}, batch)

    def headless(self, line: bytes, batch: Batch) -> None:  # noqa: ARG002  # other formats read it
        """Read a `line` before any header into `batch`."""
        raise RefusedError("no header before it")

    @classmethod
    def _header(cls, line: bytes) -> Columns | None:
        if len(line) > 4096 or not line.strip(BLANK) or line.startswith(b"{"):  # noqa: PLR2004  # longer than any header
            return None
        for separator in cls.separators:
            if separator.encode() in line.strip(BLANK):
                names = [each.lower() for each in cells(line, separator)]
                if len(names) >= _FEWEST and cls.is_header(names):
                    return Columns(separator=separator, names=names)
        return None


def _rows(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (offset, row) for each row: a line, or the lines from one that opens a cell to the one that closes it."""
    lines = data.split(b"\n")
    at = number = 0
    while number < len(lines):
        row = lines[number]
        number += 1
        if _is_open(row):
            for ahead in range(number, min(number + _MOST_LINES_OF_ROW, len(lines))):
                if lines[ahead].count(b'"') % 2:
                    row = b"\n".join((row, *lines[number : ahead + 1]))
                    number = ahead + 1
                    break
        yield at, row
        at += len(row) + 1


def _is_open(row: bytes) -> bool:
    """Return whether a row ends inside a quoted cell."""
    return row.count(b'"') % 2 == 1 and _opens_cell(row) is not None


def cells(line: bytes, separator: str) -> list[str]:
    """Return the stripped cells of a line, which may be quoted; of several blanks that separate, the first counts.

    line: without its end; separator: what stands between two.
    """
    text = line.decode("utf-8", "replace").replace("\x00", "")
    if separator == " ":
        return text.split()
    if '"' not in text:
        return [each.strip() for each in text.split(separator)]
    try:
        return [each.strip() for each in next(csv.reader([text], delimiter=separator), [])]
    except csv.Error:
        return [each.strip().strip('"') for each in text.split(separator)]
