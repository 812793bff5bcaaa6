"""Pages of hosts that match in the order of their addresses, in which the hosts of a network stand together."""

from typing import Any, Final

from sqlalchemy import Connection, Select, literal, select

from cobalt_tasks.db.tables import hosts
from cobalt_tasks.hosts.search import compiler
from cobalt_tasks.hosts.search.fields import Searchable
from cobalt_tasks.hosts.search.find import Key, Search, fetch, rarest_first

ORDER: Final = ("address_key", "address")

_WALKED: Final = 4_000
"""Hosts of the order that are looked at before an index is asked for those that match."""


def keys(connection: Connection, search: Search, limit: int, after: Key | None = None) -> list[Key]:
    """Return (address_key, address) of up to `limit` hosts that match.

    Args:
        connection: to the ledger.
        search: for hosts.
        limit: hosts at most.
        after: the key of the host before; None for the first page.

    """
    asked, found = search.asked, hosts.alias()
    walk = _behind(select(found.c.address_key, found.c.address), found.c.address_key, after)
    if asked is None:
        return fetch(connection, walk.limit(limit))
    first = rows(after).limit(_WALKED).subquery()
    chosen = select(first.c.address_key, first.c.address).where(compiler.condition(asked, first, Searchable.HOSTS))
    page = fetch(connection, chosen.order_by(first.c.address_key).limit(limit))
    if len(page) == limit:
        return page
    asked, _ = rarest_first(connection, asked, search)
    some = compiler.candidates(asked, Searchable.HOSTS, is_sqlite=search.is_sqlite)
    if some is None:
        return fetch(connection, walk.where(compiler.condition(asked, found, Searchable.HOSTS)).limit(limit))
    gathered = some.cte("gathered").prefix_with("MATERIALIZED")
    matching = select(found.c.address_key, found.c.address).join_from(
        gathered, found, found.c.address == gathered.c.address
    )
    # An expression: for the column itself a planner would walk through the index of the order.
    return fetch(connection, _behind(matching, found.c.address_key.op("||")(literal("")), after).limit(limit))


def rows(after: Key | None) -> Select[Any]:
    """Return hosts in this order, behind the key `after` (None: from the first)."""
    found = hosts.alias()
    return _behind(select(found), found.c.address_key, after)


def _behind(chosen: Select[Any], mark: Any, after: Key | None) -> Select[Any]:
    """Return the rows behind a key, in order. chosen: of hosts; mark: their key; after: None for all of them."""
    return (chosen if after is None else chosen.where(mark > after[0])).order_by(mark)
