"""Which changes a query is about: it is asked of the port that changed, or of the host."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from sqlalchemy import BigInteger, Connection, Text, and_, case, select

from cobalt_tasks.db.bulk import encode, rows_of
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts.search import compiler, find
from cobalt_tasks.hosts.search.fields import Searchable
from cobalt_tasks.hosts.search.find import Search
from cobalt_tasks.hosts.search.rows import HOMES, TARGETS

Row = Mapping[str, Any]
Searches = Mapping[Searchable, Search]
"""A query, read for each sort of row that a change may be about."""

_KEYS: Final = {
    Searchable.PORTS: ("address", "protocol", "port"),
    Searchable.HOSTS: ("address",),
}


def read(database: Database, query: str, home: Path) -> Searches:
    """Return what a query asks of changes; nothing for an empty one.

    database: the ledger; query: as docs/search.md has it; home: the folder of networks.toml.

    Raises:
        SearchError: the query cannot be used; the message names the column.

    """
    if not query.strip():
        return {}
    return {target: find.read(database, query, target, home, closed_too=True) for target in _KEYS}


def matching(connection: Connection, searches: Searches, rows: Sequence[Any]) -> list[Any]:
    """Return those of some changes that a query is about.

    connection: to the ledger; searches: from `read`, all match where it is empty; rows: changes by name.
    """
    if not searches or not rows:
        return list(rows)
    fits: dict[Searchable, set[tuple[Any, ...]]] = {}
    for target, names in _KEYS.items():
        keys = {tuple(row[name] for name in names) for row in rows if _target(row) is target}
        fits[target] = _fitting(connection, searches[target], sorted(keys)) if keys else set()
    return [row for row in rows if tuple(row[name] for name in _KEYS[_target(row)]) in fits[_target(row)]]


def _target(row: Row) -> Searchable:
    return Searchable.PORTS if row["protocol"] else Searchable.HOSTS


def _fitting(connection: Connection, search: Search, keys: Sequence[tuple[Any, ...]]) -> set[tuple[Any, ...]]:
    """Return those of some ports or hosts that a search matches."""
    names = _KEYS[search.target]
    if search.asked is None:
        return set(keys)
    wanted = rows_of(connection, "wanted", {name: BigInteger() if name == "port" else Text() for name in names})
    found = HOMES[TARGETS[search.target].home]()
    same = and_(*(found.c[name] == wanted.c[name] for name in names))
    # Wrapped, so that no planner starts from the index of a term instead of the keys.
    asked = case((compiler.condition(search.asked, found, search.target), 1), else_=0) == 1
    chosen = select(*(found.c[name] for name in names)).join_from(wanted, found, same).where(asked)
    return {tuple(row) for row in connection.execute(chosen, encode(keys))}
