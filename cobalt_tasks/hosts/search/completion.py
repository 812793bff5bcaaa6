"""Values of fields that start as the user has written, for shells and pages."""

from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, select

from cobalt_tasks.core import own_networks
from cobalt_tasks.hosts.search.fields import ALIASES, BY_NAME, Field
from cobalt_tasks.hosts.search.language import quoted
from cobalt_tasks.hosts.search.rows import holder
from cobalt_tasks.hosts.search.values import Context, Exact, Label, begins, fold, lower


def values(
    connection: Connection,
    name: str,
    prefix: str,
    limit: int,
    home: Path | None = None,
) -> list[str]:
    """Return up to `limit` different values of a field, in order and as a query has them; none of a field without a list.

    Args:
        connection: to the ledger.
        name: the field, or an alias of one.
        prefix: how the values start, in any case.
        limit: values at most.
        home: the folder of networks.toml; None: there are no own networks.

    """
    field = BY_NAME.get(ALIASES.get(name.lower(), name.lower()))
    if field is None or not field.listed or "\0" in prefix:
        return []
    if isinstance(field.kind, Label):
        known = own_networks.load(home).labels()[field.name] if home else {}
        found = sorted(each for each in known if each.startswith(prefix.lower()))[:limit]
    else:
        found = _distinct(connection, field, prefix, limit)
    return [quoted(value) for value in found]


def _distinct(connection: Connection, field: Field, prefix: str, limit: int) -> list[str]:
    """Step from one value to the next in the index: a value may have millions of rows."""
    place = field.places[next(iter(field.places))]
    context = Context(is_sqlite=connection.dialect.name == "sqlite", now=0.0)
    is_exact = isinstance(field.kind, Exact)
    start = (prefix.upper() if field.name == "country" else prefix.lower()) if is_exact else fold(prefix, context)
    found: list[str] = []
    after: str | None = None
    while len(found) < limit:
        row = holder(place)
        column: ColumnElement[Any] = row.c[place.column] if is_exact else lower(row.c[place.column], context)
        conditions: list[ColumnElement[bool]] = [row.c[place.column].is_not(None)]
        if start:
            conditions.append(begins(column, start))
        if after is not None:
            conditions.append(column > after)
        if (value := connection.execute(select(func.min(column)).where(and_(*conditions))).scalar()) is None:
            break
        found.append(after := value)
    return found
