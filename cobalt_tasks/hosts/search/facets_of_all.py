"""Facets of everything, counted by the upkeep in small steps, so that no request counts millions of rows.

Every fact that is counted belongs to a host and is found by its address: the facts of some thousand hosts at a time are
counted and added up, in as many rounds as it takes.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Select, Table, Text, cast, delete, func, insert, select

from cobalt_tasks.db import counts
from cobalt_tasks.db.engine import Database, database_now
from cobalt_tasks.db.tables import facet_counts, hosts, ports
from cobalt_tasks.hosts.recounting import Recounting, spans
from cobalt_tasks.hosts.search.closed_ports import is_not_closed, is_of_no_closed_port
from cobalt_tasks.hosts.search.fields import FIELDS, Field, Home, Searchable
from cobalt_tasks.hosts.search.rows import HOMES, TARGETS, holder

_HOSTS_AT_ONCE: Final = 5000
_MOST_FACTS: Final = 2_000_000
_VALUES: Final = 100
_MOST_VALUES: Final = 50_000
"""Different values of one field that are added up: of more, those met rarest so far are left out."""

_COUNTED: Final = (Searchable.HOSTS, Searchable.PORTS)

Counts = dict[str, list[tuple[str, int]]]


class FacetsOfAll(Recounting):
    """Counts the facets of everything again and again, some hosts further with every call."""

    def __init__(self) -> None:
        """Start with the first host, at the first call."""
        super().__init__(_count_all, _age)


def find(connection: Connection, target: Searchable, names: Sequence[str]) -> tuple[int, Counts, float] | None:
    """Return (rows, values by field, when), as they were counted last; None where a field was not counted yet.

    Args:
        connection: to the ledger.
        target: the sort of rows.
        names: the fields.

    """
    columns = (facet_counts.c.field, facet_counts.c.value, facet_counts.c.number, facet_counts.c.counted_at)
    chosen = select(*columns).where(facet_counts.c.target == target, facet_counts.c.field.in_(["", *names]))
    rows = connection.execute(chosen).all()
    found: Counts = {}
    for row in rows:
        found.setdefault(row.field, []).append((row.value, row.number))
    if set(found) != {"", *names}:
        return None
    total = found.pop("")[0][1]
    # A field without values has one row, without a number.
    return total, {name: [each for each in values if each[1]] for name, values in found.items()}, rows[0].counted_at


def _age(database: Database) -> float | None:
    with database.reading() as connection:
        oldest = select(database_now() - func.min(facet_counts.c.counted_at))
        return connection.execute(oldest).scalar_one()


def _count_all(database: Database) -> Iterator[None]:
    """Count all facets, and yield after each step."""
    facets = [(target, each) for target in _COUNTED for each in FIELDS if each.facet and target in each.places]
    sums: dict[tuple[str, str], Counter[str]] = {_name(*each): Counter() for each in facets}
    for after, last in spans(database, hosts.c.address, _HOSTS_AT_ONCE):
        for target, field in facets:
            with database.reading() as connection:
                found = connection.execute(_values(target, field, after, last)).all()
            _add(sums[_name(target, field)], found)
            yield
    for target in _COUNTED:
        names = [field.name for each, field in facets if each is target]
        database.write(_store, target, {name: sums[target, name].most_common(_VALUES) for name in names})
        yield


def _name(target: Searchable, field: Field) -> tuple[str, str]:
    return target, field.name


def _add(total: Counter[str], found: Sequence[Any]) -> None:
    for value, number in found:
        total[value] += number
    if len(total) > 2 * _MOST_VALUES:
        frequent = total.most_common(_MOST_VALUES)
        total.clear()
        total.update(dict(frequent))


def _values(target: Searchable, field: Field, after: str, last: str | None) -> Select[Any]:
    """Return the query for (value, number) of the hosts whose address is above `after` and not above `last`."""
    place = field.places[target]
    row = HOMES[place.home]()
    kept = row if place.column in row.c else holder(place)
    value = kept.c[place.column]
    source = row if kept is row else row.join(kept, kept.c.fingerprint == row.c.fingerprint)
    ranged = [row]
    if target is Searchable.PORTS and place.home is not Home.PORT:
        found = ports.alias()
        same = found.c.address == row.c.address
        if place.home is Home.CERTIFICATE:
            same &= (found.c.protocol == row.c.protocol) & (found.c.port == row.c.port)
        source = source.join(found, same & is_not_closed(found.c))
        # Both sides have the bounds: a planner that hashes one of them would read the whole of it for each step.
        ranged.append(found)
    counted = ranged[-1]
    key = [counted.c[name] for name in TARGETS[target].key]
    facts = select(cast(value, Text).label("value"), *key).select_from(source)
    facts = facts.where(value.is_not(None), *(each.c.address > after for each in ranged))
    if last is not None:
        facts = facts.where(*(each.c.address <= last for each in ranged))
    if place.home is Home.PORT:
        facts = facts.where(is_not_closed(row.c))
    elif place.home is Home.CERTIFICATE and target is Searchable.HOSTS:
        facts = facts.where(is_of_no_closed_port(row.c))
    # With the limit, SQLite finds the hosts first; without, it walks through an index in the order of the values.
    # A host with several ports of one value counts once, and so does a port with several findings of one rule.
    different = select(facts.limit(_MOST_FACTS).subquery()).distinct().subquery()
    return select(different.c.value, func.count()).group_by(different.c.value)


def _size(connection: Connection, target: Searchable) -> int:
    table: Table = hosts if target is Searchable.HOSTS else ports
    closed = select(func.count()).select_from(ports)
    closed = closed.where(ports.c.unconfirmed_since.is_not(None), ports.c.closed_since.is_not(None))
    gone = 0 if target is Searchable.HOSTS else connection.execute(closed).scalar_one()
    return counts.table_size(connection, table) - gone


def _store(connection: Connection, target: Searchable, found: Counts) -> None:
    connection.execute(delete(facet_counts).where(facet_counts.c.target == target))
    # The rows themselves have no field; a field without values has one row, without a number.
    rows = [("", "", _size(connection, target))]
    rows += [(name, value, number) for name, values in found.items() for value, number in values or [("", 0)]]
    columns = ("field", "value", "number")
    same = {"target": target, "counted_at": database_now()}
    connection.execute(insert(facet_counts).values(same), [dict(zip(columns, row, strict=True)) for row in rows])
