"""Searches for people and programs: pages of what matches, counts and facets."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts.search import facets as counting
from cobalt_tasks.hosts.search import find, orders, results
from cobalt_tasks.hosts.search.find import Key, Search
from cobalt_tasks.hosts.search.orders import HostOrder


class PageMarkError(ConfigurationError):
    """The mark is not the `next` of a page of this search."""


def page(
    database: Database,
    search: Search,
    limit: int,
    mark: str | None = None,
    *,
    order: HostOrder = HostOrder.LAST_SEEN,
) -> dict[str, Any]:
    """Return a page of what matches: `items`, and the `next` mark, None at the end.

    Args:
        database: the ledger.
        search: from `find.read`.
        limit: rows at most.
        mark: the `next` of the page before; None for the first page.
        order: of hosts.

    Raises:
        PageMarkError: the mark is none.
        SearchTooLongError: the search took too long.

    """
    find_keys, columns = orders.of(search, order)
    after = None if mark is None else _unmarked(mark, columns)
    with find.searching(database) as connection:
        keys = find_keys(connection, search, limit, after)
        rows = results.rows(connection, search.target, keys)
    return {"items": rows, "next": _marked(keys[-1]) if len(keys) == limit else None}


def count(database: Database, search: Search) -> counting.Count:
    """Return how many rows of `database` match `search`.

    Raises:
        SearchTooLongError: the search took too long.

    """
    with find.searching(database) as connection:
        return counting.count(connection, search)


def facets(database: Database, search: Search, names: Sequence[str]) -> counting.Facets:
    """Return how many rows of `database` match `search`, in all and by the values of the fields with these `names`.

    Raises:
        SearchError: a field has no facets.
        SearchTooLongError: the search took too long.

    """
    wanted = counting.fields(names, search.target)
    with find.searching(database) as connection:
        return counting.facets(connection, search, wanted)


def _marked(key: Key) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).decode().rstrip("=")


def _unmarked(mark: str, names: Sequence[str]) -> Key:
    number = (float, int)
    types: Mapping[str, type | tuple[type, ...]] = {"last_seen": number, "score": number, "port": int, "id": int}
    try:
        text = base64.urlsafe_b64decode(mark.encode() + b"=" * (-len(mark) % 4))
        values = msgspec.json.decode(text, type=list[int | float | str])
    except (binascii.Error, UnicodeError, msgspec.MsgspecError, ValueError):
        raise PageMarkError from None
    wanted = [types.get(name, str) for name in names]
    fits = len(values) == len(names) and all(
        isinstance(value, kind) for value, kind in zip(values, wanted, strict=True)
    )
    if not fits or "\0" in str(values):
        raise PageMarkError
    return tuple(values)
