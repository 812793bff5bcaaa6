"""The orders in which rows that match come: hosts have three, all other rows one."""

import math
import time
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, Select, select, true

from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts.search import by_address, by_score, compiler, find
from cobalt_tasks.hosts.search.fields import Searchable
from cobalt_tasks.hosts.search.find import Key, Search
from cobalt_tasks.hosts.search.rows import TARGETS

_KEYS_AT_ONCE: Final = 5_000
"""Keys of an export that are found together."""

_LOOKED_AT: Final = 20_000
"""Rows that are looked at together, whether they match or not."""

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
    gathered, walked = _gathered, _walked
    rates = {gathered: math.inf, walked: math.inf}
    after: Key | None = None
    while True:
        # Each is the better one for some queries: what took the least time for a key goes on.
        way = max(rates, key=lambda each: rates[each])
        began = time.monotonic()
        with find.searching(database) as connection:
            found, last = way(connection, search, order, after)
        if search.asked is not None:
            rates[way] = len(found) / (time.monotonic() - began or 1e-9)
        if found:
            yield found
        if last is None:
            return
        after = last


def _gathered(
    connection: Connection, search: Search, order: HostOrder, after: Key | None
) -> tuple[list[Key], Key | None]:
    """Return the next keys that match, and where the next part starts, None behind the last: found in one go.

    connection: to the ledger; search, order: as for `all_keys`; after: the key behind which they lie, None for the first.
    """
    found = of(search, order)[0](connection, search, _KEYS_AT_ONCE, after)
    return found, found[-1] if len(found) == _KEYS_AT_ONCE else None


def _walked(
    connection: Connection, search: Search, order: HostOrder, after: Key | None
) -> tuple[list[Key], Key | None]:
    """Do the same by looking at the next rows of the order, each by itself: it costs the same wherever they lie."""
    names = of(search, order)[1]
    rows, is_descending = _rows(search, order, after)
    some = rows.limit(_LOOKED_AT).subquery()
    fits = compiler.condition(search.asked, some, search.target) if search.asked is not None else true()
    columns = [some.c[name] for name in names]
    chosen = select(fits.label("fits"), *columns)
    found = connection.execute(chosen.order_by(*(each.desc() if is_descending else each for each in columns))).all()
    last = tuple(found[-1][1:]) if len(found) == _LOOKED_AT else None
    return [tuple(row[1:]) for row in found if row.fits], last


def _rows(search: Search, order: HostOrder, after: Key | None) -> tuple[Select[Any], bool]:
    """Return the rows behind a key in an order, whether they match or not, and whether the order goes down."""
    if search.target is not Searchable.HOSTS or order is HostOrder.LAST_SEEN:
        return find.walk(search, after, columns=None), TARGETS[search.target].descending
    if order is HostOrder.SCORE:
        return by_score.rows(after), True
    return by_address.rows(after), False
