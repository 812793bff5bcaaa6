"""Searches for people and programs: pages of what matches, counts and facets."""

from collections.abc import Sequence
from typing import Any

from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts.search import facets as counting
from cobalt_tasks.hosts.search import find, orders, results
from cobalt_tasks.hosts.search.find import Search
from cobalt_tasks.hosts.search.orders import HostOrder
from cobalt_tasks.views.page_marks import marked, unmarked


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
    after = None if mark is None else unmarked(mark, columns)
    with find.searching(database) as connection:
        keys = find_keys(connection, search, limit, after)
        rows = results.rows(connection, search.target, keys)
    return {"items": rows, "next": marked(keys[-1]) if len(keys) == limit else None}


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
