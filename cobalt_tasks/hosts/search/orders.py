"""The orders in which rows that match come: hosts have three, all other rows one."""

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection

from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts.search import by_address, by_score, find
from cobalt_tasks.hosts.search.fields import Searchable
from cobalt_tasks.hosts.search.find import Key, Search
from cobalt_tasks.hosts.search.rows import TARGETS

_KEYS_AT_ONCE: Final = 5_000
"""Keys of an export that are found together."""

FindKeys = Callable[[Connection, Search, int, Key | None], list[Key]]


class HostOrder(StrEnum):
    """Which hosts come first: the last seen, those with the highest score (above 0), or the lowest addresses."""

    LAST_SEEN = "last_seen"
    SCORE = "score"
    ADDRESS = "address"


def of(search: Search, order: HostOrder = HostOrder.LAST_SEEN) -> tuple[FindKeys, tuple[str, ...]]:
    """Return (keys, columns): what finds the keys of rows in an order, as `find.keys` does, and the columns of these keys.

    Args:
        search: for hosts, or for other rows in the one order that they have.
        order: of hosts.

    """
    if search.target is not Searchable.HOSTS or order is HostOrder.LAST_SEEN:
        return find.keys, TARGETS[search.target].order
    ordered = by_score if order is HostOrder.SCORE else by_address
    return ordered.keys, ordered.ORDER


def all_keys(database: Database, search: Search, order: HostOrder = HostOrder.LAST_SEEN) -> Iterator[list[Key]]:
    """Yield the keys of all rows that match, in parts. Each part has a transaction of its own.

    Args:
        database: the ledger.
        search: for hosts, or for other rows in the one order that they have.
        order: of hosts.

    Raises:
        SearchTooLongError: one part took too long.

    """
    find_keys, _ = of(search, order)
    after: Key | None = None
    while True:
        with find.searching(database) as connection:
            found = find_keys(connection, search, _KEYS_AT_ONCE, after)
        if found:
            yield found
            after = found[-1]
        if len(found) < _KEYS_AT_ONCE:
            return
