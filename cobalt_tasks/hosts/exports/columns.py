"""The columns of an export, and its rows."""

import base64
from collections.abc import Callable, Iterator, Sequence
from enum import Enum, auto
from operator import itemgetter
from typing import Any, Final

import msgspec
from msgspec import Struct

from cobalt_tasks.core import x509
from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.db.engine import Database

Row = tuple[Any, ...]
Page = list[Row]
"""Rows as the database has them, lists as JSON text."""
Values = list[Sequence[Any]]
"""The values of each column, of the same rows."""


class ColumnKind(Enum):
    """What the values of a column are. All but lists may be None."""

    TEXT = auto()
    INTEGER = auto()
    NUMBER = auto()
    FLAG = auto()
    TIME = auto()
    """Epoch seconds."""
    TEXTS = auto()
    """A list of texts."""
    INTEGERS = auto()
    """A list of integers."""
    DER = auto()
    """The bytes of a certificate."""
    PEM = auto()
    """The bytes of a certificate, shown as PEM."""


_LISTS: Final = frozenset({ColumnKind.TEXTS, ColumnKind.INTEGERS})


class ExportColumn(Struct, frozen=True):
    """One column of an export."""

    name: str
    kind: ColumnKind


class TableRows:
    """The rows of one table, read while they are asked for.

    Attributes:
        table: its name.
        columns: of each row, in order.
        database: the ledger, for what belongs to the rows beside them.
        count: rows handed out so far.

    """

    def __init__(self, database: Database, table: str, columns: Sequence[ExportColumn], pages: Iterator[Page]) -> None:
        """Hold the rows of a table.

        Args:
            database: the ledger.
            table: its name.
            columns: of each row, in order.
            pages: of rows, read one by one.

        """
        self.database = database
        self.table = table
        self.columns = tuple(columns)
        self.count = 0
        self._pages = pages

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(column.name for column in self.columns)

    def pages(self) -> Iterator[Values]:
        """Yield some thousand rows together, or fewer where they are large: the values of each column."""
        lists = [place for place, column in enumerate(self.columns) if column.kind in _LISTS]
        for page in self._pages:
            if not page:
                continue
            self.count += len(page)
            values: Values = list(zip(*page, strict=True))
            for place in lists:
                texts = ",".join(text or "[]" for text in values[place])
                values[place] = msgspec.json.decode(f"[{texts}]")
            yield values

    @property
    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield each row by the names of its columns."""
        names = self.names
        for page in self.pages():
            for row in zip(*page, strict=True):
                yield dict(zip(names, row, strict=True))

    def only(self, names: Sequence[str]) -> "TableRows":
        """Return the same rows with some of their columns, in the order of `names`.

        Raises:
            ConfigurationError: there is no such column, and the message lists all; or one is named twice.

        """
        own = self.names
        for name in names:
            if name not in own:
                raise ConfigurationError(f"{self.table} have no column {name!r}; there are {', '.join(own)}")
            if names.count(name) > 1:
                raise ConfigurationError(f"the column {name!r} is named more than once")
        places = [own.index(name) for name in names]
        chosen: Callable[[Row], Any] = itemgetter(*places)
        alone = len(places) == 1
        pages = ([(chosen(row),) if alone else chosen(row) for row in page] for page in self._pages)
        return TableRows(self.database, self.table, [self.columns[place] for place in places], pages)

    def where(self, name: str, holds: Callable[[Any], bool]) -> "TableRows":
        """Return only the rows whose value in a column is wanted.

        Args:
            name: the column.
            holds: returns whether a value of it, as the database has it, is wanted.

        """
        place = self.names.index(name)
        pages = ([row for row in page if holds(row[place])] for page in self._pages)
        return TableRows(self.database, self.table, self.columns, pages)


def shown_bytes(kind: ColumnKind) -> Callable[[bytes | None], str]:
    """Return how bytes of a kind are written as text: DER in base64, or PEM; '' for none."""
    if kind is ColumnKind.PEM:
        return lambda der: x509.pem(bytes(der or b""))
    return lambda der: base64.b64encode(der or b"").decode("ascii")
