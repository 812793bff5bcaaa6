"""Facets of everything: counted by the upkeep, one field after the other, so that no request counts millions of rows."""

import time
from collections.abc import Iterator, Sequence
from typing import Final

from sqlalchemy import Connection, Table, Text, cast, delete, distinct, func, insert, select

from cobalt_tasks.db import counts
from cobalt_tasks.db.engine import Database, database_now
from cobalt_tasks.db.tables import facet_counts, hosts, ports
from cobalt_tasks.hosts.search.fields import FIELDS, Field, Home, Searchable
from cobalt_tasks.hosts.search.rows import HOMES, holder

_SECONDS: Final = 1.0
_STALE_SECONDS: Final = 600.0
"""Older counts are made anew."""

_VALUES: Final = 100
_COUNTED: Final = (Searchable.HOSTS, Searchable.PORTS)
_MOST: Final = 20_000_000
"""A larger table is not counted: that would take longer than a round may."""

Counts = dict[str, list[tuple[str, int]]]


def refresh(database: Database, seconds: float = _SECONDS) -> int:
    """Count fields whose counts are old, the oldest first.

    Args:
        database: the ledger.
        seconds: after which no further field is counted.

    Returns:
        How many fields were counted.

    """
    until, done = time.monotonic() + seconds, 0
    with database.reading() as connection:
        if max(counts.table_size(connection, table) for table in (hosts, ports)) > _MOST:
            return 0
        now = connection.execute(select(database_now())).scalar_one()
        columns = (facet_counts.c.target, facet_counts.c.field)
        ages = select(*columns, func.min(facet_counts.c.counted_at)).group_by(*columns)
        counted_at = {(target, field): at for target, field, at in connection.execute(ages)}
    due = [each for each in _fields() if not 0 <= now - counted_at.get(_name(*each), 0.0) < _STALE_SECONDS]
    for target, field in sorted(due, key=lambda each: counted_at.get(_name(*each), 0.0)):
        with database.reading() as connection:
            found = _count(connection, target, field)
        database.write(_store, target, field, found)
        done += 1
        if time.monotonic() > until:
            break
    return done


def find(connection: Connection, target: Searchable, names: Sequence[str]) -> tuple[int, Counts] | None:
    """Return (rows, values by field), as they were counted last; None where a field was not counted yet.

    Args:
        connection: to the ledger.
        target: the sort of rows.
        names: the fields.

    """
    columns = (facet_counts.c.field, facet_counts.c.value, facet_counts.c.number)
    chosen = select(*columns).where(facet_counts.c.target == target, facet_counts.c.field.in_(["", *names]))
    found: Counts = {}
    for field, value, number in connection.execute(chosen):
        found.setdefault(field, []).append((value, number))
    if set(found) != {"", *names}:
        return None
    total = found.pop("")[0][1]
    # A field without values has one row, without a number.
    return total, {name: [each for each in values if each[1]] for name, values in found.items()}


def _fields() -> Iterator[tuple[Searchable, Field | None]]:
    """Yield what is counted: None for the rows themselves."""
    for target in _COUNTED:
        yield target, None
        for field in FIELDS:
            if field.facet and target in field.places:
                yield target, field


def _name(target: Searchable, field: Field | None) -> tuple[str, str]:
    return target, field.name if field else ""


def _count(connection: Connection, target: Searchable, field: Field | None) -> list[tuple[str, int]]:
    if field is None:
        table: Table = hosts if target is Searchable.HOSTS else ports
        closed = select(func.count()).select_from(ports)
        closed = closed.where(ports.c.unconfirmed_since.is_not(None), ports.c.closed_since.is_not(None))
        gone = 0 if target is Searchable.HOSTS else connection.execute(closed).scalar_one()
        return [("", counts.table_size(connection, table) - gone)]
    place = field.places[target]
    row = HOMES[place.home]()
    number = func.count(distinct(row.c.address)) if target is Searchable.HOSTS else func.count()
    kept = row if place.column in row.c else holder(place)
    value = kept.c[place.column]
    source = row if kept is row else row.join(kept, kept.c.fingerprint == row.c.fingerprint)
    if target is Searchable.PORTS and place.home is not Home.PORT:
        found = ports.alias()
        same = found.c.address == row.c.address
        if place.home is Home.CERTIFICATE:
            same &= (found.c.protocol == row.c.protocol) & (found.c.port == row.c.port)
        source = source.join(found, same & found.c.closed_since.is_(None))
    chosen = select(cast(value, Text), number).select_from(source).where(value.is_not(None))
    if place.home is Home.PORT:
        chosen = chosen.where(row.c.closed_since.is_(None))
    rows = connection.execute(chosen.group_by(value).order_by(number.desc()).limit(_VALUES)).all()
    return [(value, count) for value, count in rows] or [("", 0)]


def _store(connection: Connection, target: Searchable, field: Field | None, found: Sequence[tuple[str, int]]) -> None:
    name = field.name if field else ""
    key = facet_counts.c.target == target, facet_counts.c.field == name
    connection.execute(delete(facet_counts).where(*key))
    rows = [{"target": target, "field": name, "value": value, "number": number} for value, number in found]
    connection.execute(insert(facet_counts).values(counted_at=database_now()), rows)
