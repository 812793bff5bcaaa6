"""Pages of what matches: the first rows of the order that do, or all that an index finds, whichever costs less."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, FromClause, Select, func, literal, select, text, tuple_

from cobalt_tasks.core import own_networks
from cobalt_tasks.core.errors import CobaltError, OutOfTimeError
from cobalt_tasks.core.own_networks import Labels
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import observations, ports
from cobalt_tasks.db.tables.base import NOT_TCP
from cobalt_tasks.hosts.search import closed_ports, compiler, language
from cobalt_tasks.hosts.search.compiler import AllOf, AnyOf, Condition, FactTest, NoneOf
from cobalt_tasks.hosts.search.fields import Home, Searchable
from cobalt_tasks.hosts.search.frequent_facts import meeting
from cobalt_tasks.hosts.search.rows import HOMES, TARGETS
from cobalt_tasks.hosts.search.values import Context, Test

Key = tuple[Any, ...]
"""The values of a row in the columns of its order."""

SECONDS: Final = 10.0
"""How long a search may take."""

_FEW: Final = 2_000
"""Rows that an index finds, up to which it is followed at once."""

_WALKED: Final = (500, 4_000)
"""Rows of the order that are looked at before more than a few are gathered by an index: first these, then those."""


class SearchTooLongError(CobaltError):
    """The search took too long: add a term that fewer match, such as net:, name: or seen:<1d."""


class Search(Struct, frozen=True, kw_only=True):
    """A query that was read, for one sort of rows. `asked` is None where everything matches."""

    target: Searchable
    asked: Condition | None
    is_sqlite: bool

    @property
    def any_state(self) -> bool:
        """Whether closed ports count: it asks for the state of ports."""
        return closed_ports.asks_for_state(self.asked)

    @property
    def is_everything(self) -> bool:
        """Whether it matches everything, but for closed ports."""
        return self.asked == closed_ports.without_closed(None, self.target)


def read(
    database: Database, text: str, target: Searchable, home: Path | None = None, *, closed_too: bool = False
) -> Search:
    """Return the search that a query asks for.

    Args:
        database: the ledger.
        text: the query; an empty one matches everything.
        target: the sort of rows.
        home: the folder of networks.toml, for `site:` and `tag:`; None: there are no own networks.
        closed_too: whether closed ports match too, as for changes, some of which are about these.

    Raises:
        SearchError: the query cannot be used; the message names the column.

    """
    node = language.parse(text)

    def labels() -> Labels:
        return own_networks.load(home).labels() if home else {}

    def has_protocol(name: str) -> bool:
        with searching(database) as connection:
            return _has_protocol(connection, name)

    context = Context(is_sqlite=database.is_sqlite, now=time.time(), labels=labels, has_protocol=has_protocol)
    asked = None if node is None else compiler.resolve(node, target, context)
    if not closed_too:
        asked = closed_ports.without_closed(asked, target)
    return Search(target=target, asked=asked, is_sqlite=database.is_sqlite)


def _has_protocol(connection: Connection, name: str) -> bool:
    """Return whether a port or connection has the transport protocol `name`, which is not tcp."""
    for column in (ports.c.protocol, observations.c.protocol):
        # Written out, so that the index of other protocols serves.
        if connection.execute(select(column).where(text(NOT_TCP), column == name).limit(1)).first():
            return True
    return False


@contextmanager
def searching(database: Database, seconds: float = SECONDS) -> Iterator[Connection]:
    """Open a connection to `database` for searches that take at most `seconds` together.

    Raises:
        SearchTooLongError: they took longer.

    """
    try:
        with database.deadline(seconds), database.reading() as connection:
            if not database.is_sqlite:
                # Compiling a statement costs more than most of them take.
                connection.exec_driver_sql("SET LOCAL jit = off")
                connection.exec_driver_sql("SET LOCAL max_parallel_workers_per_gather = 0")
                connection.exec_driver_sql("SET LOCAL plan_cache_mode = force_custom_plan")
                # Few rows are wanted, by look-ups; at the usual price of one, a planner would rather read whole tables.
                connection.exec_driver_sql("SET LOCAL random_page_cost = 1.1")
            yield connection
    except OutOfTimeError:
        raise SearchTooLongError from None


def keys(connection: Connection, search: Search, limit: int, after: Key | None = None) -> list[Key]:
    """Return the keys of up to `limit` rows that match `search`, in order, behind the key `after` (None: from the first)."""
    asked = search.asked
    if asked is None:
        return fetch(connection, walk(search, after).limit(limit))
    asked, few = rarest_first(connection, asked, search)
    chosen = compiler.candidates(asked, search.target, is_sqlite=search.is_sqlite)
    if chosen is None:
        return fetch(connection, walk(search, after, asked).limit(limit))
    for walked in _WALKED if few >= _FEW else ():
        first = walk(search, after, columns=None).limit(walked).subquery()
        some = select(*(first.c[name] for name in TARGETS[search.target].order))
        some = some.where(compiler.condition(asked, first, search.target))
        found = fetch(connection, _sorted(some, first, search, None).limit(limit))
        if len(found) == limit:
            return found
    if few >= _FEW:
        met = meeting(asked, search.target, is_sqlite=search.is_sqlite)
        chosen = chosen if met is None else met
    # Gathered before they are sorted: else a planner may walk through the order in the hope of meeting them early.
    gathered = chosen.cte("gathered").prefix_with("MATERIALIZED")
    columns = [gathered.c[name] for name in TARGETS[search.target].order]
    return fetch(connection, _sorted(select(*columns), gathered, search, after).limit(limit))


def matching(connection: Connection, search: Search) -> Select[Any]:
    """Return a select of all rows that match `search`, in no order: their keys, and the columns that counts need."""
    found = HOMES[TARGETS[search.target].home]()
    searched = TARGETS[search.target]
    plain = select(*(found.c[name] for name in (*searched.order, *searched.carried)))
    if search.asked is None:
        return plain
    asked, few = rarest_first(connection, search.asked, search)
    met = meeting(asked, search.target, is_sqlite=search.is_sqlite) if few >= _FEW else None
    if met is not None:
        return met
    chosen = compiler.candidates(asked, search.target, is_sqlite=search.is_sqlite)
    return plain.where(compiler.condition(asked, found, search.target)) if chosen is None else chosen


def is_rare(connection: Connection, search: Search) -> bool:
    """Return whether an index finds the rows that match `search`, and they are few."""
    return search.asked is not None and rarest_first(connection, search.asked, search)[1] < _FEW


def walk(
    search: Search, after: Key | None, asked: Condition | None = None, columns: Sequence[str] | None = ()
) -> Select[Any]:
    """Return a select of rows in order.

    Args:
        search: for which rows.
        after: the key behind which they lie; None: from the first.
        asked: only those that meet this condition; None: all.
        columns: None for all columns, else their keys only.

    """
    found = HOMES[TARGETS[search.target].home]()
    names = TARGETS[search.target].order
    chosen = select(*found.c) if columns is None else select(*(found.c[name] for name in names))
    if asked is not None:
        chosen = chosen.where(compiler.condition(asked, found, search.target))
    return _sorted(chosen, found, search, after)


def _sorted(chosen: Select[Any], found: FromClause, search: Search, after: Key | None) -> Select[Any]:
    searched = TARGETS[search.target]
    columns = [found.c[name] for name in searched.order]
    if after is not None:
        mark = row_of(columns, after)
        chosen = chosen.where(tuple_(*columns) < mark if searched.descending else tuple_(*columns) > mark)
    return chosen.order_by(*(column.desc() if searched.descending else column for column in columns))


def row_of(columns: Sequence[ColumnElement[Any]], key: Key) -> ColumnElement[Any]:
    """Return a `key` as a row that can be compared with a row of the `columns` whose values it has."""
    return tuple_(*(literal(value, column.type) for column, value in zip(columns, key, strict=True)))


def fetch(connection: Connection, chosen: Select[Any]) -> list[Key]:
    """Return the keys of the rows that are `chosen`."""
    return [tuple(row) for row in connection.execute(chosen)]


def rarest_first(connection: Connection, asked: Condition, search: Search) -> tuple[Condition, int]:
    """Return (asked, rows): the condition with the rarest of its parts first, and how many rows an index finds for it.

    Args:
        connection: to the ledger. Rows are counted up to `_FEW`; a part that no index finds counts as many.
        asked: the condition.
        search: the search that it is a part of.

    """
    match asked:
        case NoneOf():
            return asked, _FEW
        case FactTest():
            return asked, _count(connection, asked, search)
        case AnyOf(parts):
            each = [rarest_first(connection, part, search) for part in parts]
            return AnyOf(tuple(part for part, _ in each)), sum(rows for _, rows in each)
        case AllOf(parts):
            each = sorted((rarest_first(connection, part, search) for part in parts), key=lambda found: found[1])
            return AllOf(tuple(part for part, _ in each)), each[0][1]


def _count(connection: Connection, asked: FactTest, search: Search) -> int:
    if not asked.indexed:
        return _FEW
    if asked.end == "either":
        return sum(_count(connection, msgspec.structs.replace(asked, end=end), search) for end in ("dst", "src"))
    if search.target is Searchable.CONNECTIONS and asked.home is not Home.TEXT:
        # One host may have millions of them.
        chosen = compiler.candidates(asked, search.target, is_sqlite=search.is_sqlite)
    else:
        # Each test alone, by its own index: the rarest bounds how many pass all.
        counts = [_count_facts(connection, asked, test) for test in asked.tests if test not in closed_ports.TESTS]
        return min(counts, default=_FEW)
    return _FEW if chosen is None else _counted(connection, chosen)


def _count_facts(connection: Connection, asked: FactTest, test: Test) -> int:
    row = HOMES[asked.home]()
    return _counted(connection, select(literal(1).label("one")).select_from(row).where(test(row.c)))


def _counted(connection: Connection, chosen: Select[Any]) -> int:
    few = chosen.limit(_FEW).subquery()
    return connection.execute(select(func.count()).select_from(few)).scalar_one()
