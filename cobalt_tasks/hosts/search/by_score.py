"""Pages of hosts that match, the highest score first; hosts without a score, or with 0, are left out."""

from typing import Any, Final

from sqlalchemy import Connection, Select, literal, select, tuple_

from cobalt_tasks.db.tables import hosts, scores
from cobalt_tasks.hosts.search import compiler
from cobalt_tasks.hosts.search.fields import Searchable
from cobalt_tasks.hosts.search.find import Key, Search, fetch, rarest_first, row_of

ORDER: Final = ("score", "address")
_KEY: Final = (scores.c.score, scores.c.address)

_WALKED: Final = 4_000
"""Hosts of the order that are looked at before an index is asked for those that match."""


def keys(connection: Connection, search: Search, limit: int, after: Key | None = None) -> list[Key]:
    """Return (score, address) of up to `limit` hosts that match.

    Args:
        connection: to the ledger.
        search: for hosts.
        limit: hosts at most.
        after: the key of the host before; None for the first page.

    """
    asked = search.asked
    if asked is None:
        return fetch(connection, _ranked(after).limit(limit))
    first = _ranked(after).limit(_WALKED).subquery()
    found = hosts.alias()
    chosen = select(first.c.score, first.c.address).join(found, found.c.address == first.c.address)
    chosen = chosen.where(compiler.condition(asked, found, Searchable.HOSTS))
    page = fetch(connection, chosen.order_by(first.c.score.desc(), first.c.address.desc()).limit(limit))
    if len(page) == limit:
        return page
    asked, _ = rarest_first(connection, asked, search)
    some = compiler.candidates(asked, Searchable.HOSTS, is_sqlite=search.is_sqlite)
    if some is None:
        ranked = _ranked(after).join(found, found.c.address == scores.c.address)
        return fetch(connection, ranked.where(compiler.condition(asked, found, Searchable.HOSTS)).limit(limit))
    gathered = some.cte("gathered").prefix_with("MATERIALIZED")
    # An expression: for the column itself a planner would walk through the index of the order.
    score: Any = scores.c.score.op("+")(literal(0.0))
    behind = tuple_(score, scores.c.address) < row_of(_KEY, after) if after else score > 0
    matching = select(*_KEY).join_from(gathered, scores, scores.c.address == gathered.c.address)
    return fetch(
        connection, matching.where(score > 0, behind).order_by(score.desc(), scores.c.address.desc()).limit(limit)
    )


def rows(after: Key | None) -> Select[Any]:
    """Return hosts with their scores in this order, behind the key `after` (None: from the first)."""
    found = hosts.alias()
    return (
        _ranked(after)
        .join(found, found.c.address == scores.c.address)
        .add_columns(*(column for column in found.c if column.name != "address"))
    )


def _ranked(after: Key | None) -> Select[Any]:
    ranked = select(*_KEY).where(scores.c.score > 0)
    if after is not None:
        ranked = ranked.where(tuple_(*_KEY) < row_of(_KEY, after))
    return ranked.order_by(scores.c.score.desc(), scores.c.address.desc())
