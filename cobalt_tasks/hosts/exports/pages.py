"""Reads tables of exports page by page. Each page has a transaction of its own: a reader that pauses holds nothing open."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Connection, select, tuple_
from sqlalchemy.sql.selectable import Select

from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.core.read_ahead import read_ahead
from cobalt_tasks.db.bulk import encode, one_of, rows_of
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts.exports.columns import Page, TableRows
from cobalt_tasks.hosts.exports.tables import LARGE, TABLES, ExportTable
from cobalt_tasks.hosts.search import find, of_changes, orders
from cobalt_tasks.hosts.search.fields import Searchable
from cobalt_tasks.hosts.search.find import Search
from cobalt_tasks.hosts.search.of_changes import Searches
from cobalt_tasks.hosts.search.orders import HostOrder
from cobalt_tasks.hosts.search.rows import TARGETS

Key = tuple[Any, ...]
Asked = Search | Searches
"""A query that was read: of rows, or of changes."""

_ROWS_AT_ONCE: Final = 2_500
_FETCHED: Final = 250
"""Rows that are fetched together; behind each fetch a page may end."""
_LARGEST_PAGE: Final = 1 << 20
"""Characters of a page's long columns, behind which it ends."""
_HOSTS_AT_ONCE: Final = 500
"""Hosts whose rows of another table are read together."""


def read_query(database: Database, table: str, query: str, home: Path) -> Asked | None:
    """Return what a query asks of a table; None where it is empty.

    Args:
        database: the ledger.
        table: one of `TABLES`.
        query: as docs/search.md has it.
        home: the folder of networks.toml.

    Raises:
        ConfigurationError: the table cannot be searched.
        SearchError: the query cannot be used; the message names the column.

    """
    if not query.strip():
        return None
    exported = TABLES[table]
    if exported.is_of_changes:
        return of_changes.read(database, query, home)
    if exported.asked_of is None:
        others = (name for name, each in TABLES.items() if each.asked_of or each.is_of_changes)
        raise ConfigurationError(f"{table} cannot be searched; {', '.join(others)} can")
    return find.read(database, query, exported.asked_of, home)


def stream(database: Database, table: str, asked: Asked | None = None, order: HostOrder | None = None) -> TableRows:
    """Return a stream of one of `TABLES`, in the order of its key. A page of rows is read while the one before is written.

    Args:
        database: the ledger.
        table: one of `TABLES`.
        asked: only the rows that match, from `read_query`. None: all rows.
        order: of hosts; None: by address, which never changes while they are read.

    Rows that come or change meanwhile may or may not be in it; none is in it twice, and none that stays is left out. In an
    `order`, a host that moves meanwhile may be left out, or be in it twice if its score falls.

    Raises:
        DatabaseUnavailableError: while it is read: the database does not answer.

    """
    exported = TABLES[table]
    dialect = database.engine.dialect.name
    columns = exported.columns(dialect)
    if exported.asked_of is not Searchable.HOSTS or order is None:
        return TableRows(database, table, columns, read_ahead(_PageReader(database, exported).pages(asked)))
    search = asked if isinstance(asked, Search) else find.read(database, "", Searchable.HOSTS)
    return TableRows(database, table, columns, read_ahead(_PageReader(database, exported).pages(search, order)))


class _PageReader:
    """Reads the rows of one table, with the columns of its key behind its own."""

    def __init__(self, database: Database, exported: ExportTable) -> None:
        self._database = database
        self._exported = exported
        chosen = exported.select_rows(database.engine.dialect.name)
        self._names = [column.name for column in chosen.selected_columns]
        self._large = [place for place, name in enumerate(self._names) if name in LARGE]
        self._width = len(self._names)
        marks = (column.label(f"key_{number}") for number, column in enumerate(exported.key))
        self._chosen: Select[Any] = chosen.add_columns(*marks)

    def pages(self, asked: Asked | None, order: HostOrder = HostOrder.ADDRESS) -> Iterator[Page]:
        """Yield pages of the rows that match (`asked` None: of all rows), those of hosts in an `order`."""
        if asked is None:
            return self._all()
        if not isinstance(asked, Search):
            return self._changes(asked)
        is_own = TARGETS[asked.target].key == tuple(column.name for column in self._exported.key)
        return self._matching(asked, order) if is_own else self._of_hosts(asked, order)

    def _all(self, addresses: Sequence[str] | None = None) -> Iterator[Page]:
        """Yield rows in the order of their key, which is not among the columns everywhere and is read beside them."""
        key = self._exported.key
        last: Key | None = None
        while True:
            with self._database.reading() as connection:
                only = () if addresses is None else (one_of(connection, key[0], addresses),)
                behind = only if last is None else (*only, tuple_(*key) > find.row_of(key, last))
                end = _last_key(connection, key, behind)
                # Between two keys: with a limit, PostgreSQL joins by reading the other tables from their start.
                within = behind if end is None else (*behind, tuple_(*key) <= find.row_of(key, end))
                rows, is_whole = self._read(connection, self._chosen.where(*within).order_by(*key))
            yield self._own(rows)
            if is_whole and end is None:
                return
            last = end if is_whole else rows[-1][self._width :]

    def _matching(self, search: Search, order: HostOrder) -> Iterator[Page]:
        """Yield the rows that match; `order`: of hosts."""
        _, columns = orders.of(search, order)
        places = [columns.index(column.name) for column in self._exported.key]
        for found in orders.all_keys(self._database, search, order):
            keys = [tuple(each[place] for place in places) for each in found]
            for start in range(0, len(keys), _HOSTS_AT_ONCE):
                some = keys[start : start + _HOSTS_AT_ONCE]
                with self._database.reading() as connection:
                    rows = self._by_keys(connection, some)
                by_key = {row[self._width :]: row for row in rows}
                yield self._own([by_key[each] for each in some if each in by_key])

    def _by_keys(self, connection: Connection, keys: Sequence[Key]) -> Page:
        key = self._exported.key
        wanted = rows_of(connection, "wanted", {column.name: column.type for column in key})
        chosen = self._chosen
        for column in key:
            chosen = chosen.where(column == wanted.c[column.name])
        return [tuple(row) for row in connection.execute(chosen, encode(keys))]

    def _of_hosts(self, search: Search, order: HostOrder) -> Iterator[Page]:
        """Yield the rows of the hosts that match, some hundred hosts in an `order` after the other."""
        place = orders.of(search, order)[1].index("address")
        for found in orders.all_keys(self._database, search, order):
            for start in range(0, len(found), _HOSTS_AT_ONCE):
                yield from self._all([each[place] for each in found[start : start + _HOSTS_AT_ONCE]])

    def _changes(self, searches: Searches) -> Iterator[Page]:
        """Yield the changes that a query is about."""
        for page in self._all():
            by_name = [dict(zip(self._names, row, strict=True)) for row in page]
            with find.searching(self._database) as connection:
                found = of_changes.matching(connection, searches, by_name)
            yield [tuple(row.values()) for row in found]

    def _own(self, rows: Page) -> Page:
        width = self._width
        return [row[:width] for row in rows]

    def _read(self, connection: Connection, page: Select[Any]) -> tuple[Page, bool]:
        """Return (rows, is_whole): the rows of a page, up to where their long columns are large enough for one."""
        rows: list[Any] = []
        weight = 0
        # Not fetched at once, so that rows of a megabyte each end a page early.
        found = connection.execution_options(stream_results=True, yield_per=_FETCHED).execute(page)
        for part in found.partitions():
            rows += part
            weight += sum(len(row[place] or "") for row in part for place in self._large)
            if weight > _LARGEST_PAGE:
                found.close()
                return rows, False
        return rows, True


def _last_key(connection: Connection, key: Sequence[Column[Any]], behind: Sequence[ColumnElement[bool]]) -> Key | None:
    """Return the key of the last row of a full page, None where fewer rows are left.

    key: of the table; behind: the conditions of the rows that are left.
    """
    found = connection.execute(select(*key).where(*behind).order_by(*key).offset(_ROWS_AT_ONCE - 1).limit(1)).first()
    return None if found is None else tuple(found)
