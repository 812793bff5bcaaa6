"""Facts about hosts and ports, written by workers and by ingest alike."""

import hashlib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Dialect, Table, func
from sqlalchemy.dialects import postgresql, sqlite

from cobalt_tasks.core.records import Banner, Certificate, Facts, Hostname, Location, Sighting
from cobalt_tasks.db import counts
from cobalt_tasks.db.bulk import earlier, insert_into, later
from cobalt_tasks.db.tables import banners, certificates, hostnames, locations, ports, sightings

Row = dict[str, object]


def write(connection: Connection, facts: Facts) -> None:
    """Store facts; what is known already only moves its last_seen. Rows go in by key, so that writers cannot deadlock."""
    _write_locations(connection, facts.locations)
    _write_hostnames(connection, facts.hostnames)
    write_banners(connection, facts.banners)
    _write_ports(connection, facts.banners)
    _write_certificates(connection, facts.certificates)
    _write_sightings(connection, facts.sightings)


def banner_digest(service: str | None, raw: bytes) -> str:
    """Return the key of a banner of one port: equal for the same service and the same bytes."""
    return f"{service or ''}:{hashlib.blake2b(raw, digest_size=12).hexdigest()}"


def _write_locations(connection: Connection, facts: Sequence[Location]) -> None:
    rows = _latest((msgspec.structs.asdict(fact) for fact in facts), ("address",))
    replace = tuple(column.name for column in locations.c if column.name != "address")
    _upsert(connection, locations, rows, ("address",), replace=replace)


def _write_hostnames(connection: Connection, facts: Sequence[Hostname]) -> None:
    key = ("address", "name", "source")
    _upsert(connection, hostnames, _latest(map(_seen, facts), key), key, keep=("confirmed",))


def write_banners(connection: Connection, facts: Sequence[Banner]) -> None:
    """Store banners that do not name the port's service (a page's title, a page); the port itself is not changed."""
    key = ("address", "protocol", "port", "source", "digest")
    rows = [{**_seen(fact), "digest": banner_digest(fact.service, fact.raw)} for fact in facts]
    _upsert(connection, banners, _latest(rows, key), key, keep=("product", "version"))


def _write_ports(connection: Connection, facts: Sequence[Banner]) -> None:
    key = ("address", "protocol", "port")
    rows = []
    for fact in facts:
        row = _seen(fact)
        picked = ("address", "protocol", "port", "service", "product", "version", "first_seen", "last_seen")
        rows.append({**{name: row[name] for name in picked}, "banner": fact.text or None})
    if rows:
        with counts.adding(connection, ports):
            _upsert(connection, ports, _latest(rows, key), key, keep=("service", "product", "version", "banner"))


def _write_certificates(connection: Connection, facts: Sequence[Certificate]) -> None:
    rows = _latest(
        ({**msgspec.structs.asdict(fact), "names": msgspec.json.encode(fact.names).decode()} for fact in facts),
        ("fingerprint",),
    )
    if rows:
        connection.execute(insert_into(connection, certificates).on_conflict_do_nothing(), rows)


def _write_sightings(connection: Connection, facts: Sequence[Sighting]) -> None:
    key = ("address", "protocol", "port", "fingerprint", "source")
    _upsert(connection, sightings, _latest(map(_seen, facts), key), key)


def _seen(fact: Hostname | Banner | Sighting) -> Row:
    row = msgspec.structs.asdict(fact)
    observed_at = row.pop("observed_at")
    return {**row, "first_seen": observed_at, "last_seen": observed_at}


def _latest(rows: Iterable[Row], key: Sequence[str]) -> list[Row]:
    """Keep one row for each key, the last, in the order of the keys."""
    return [row for _, row in sorted({tuple(row[name] for name in key): row for row in rows}.items())]


def _upsert(  # noqa: PLR0913  # one statement in one place, instead of six
    connection: Connection,
    table: Table,
    rows: Sequence[Row],
    key: Sequence[str],
    *,
    replace: Sequence[str] = (),
    keep: Sequence[str] = (),
) -> None:
    """Insert rows or update them: `replace` columns always, `keep` columns where the new value is not NULL."""
    if rows:
        sql = _upsert_sql(connection.dialect, table, tuple(rows[0]), tuple(key), tuple(replace), tuple(keep))
        connection.exec_driver_sql(sql, list(rows))


@lru_cache(64)
def _upsert_sql(  # noqa: PLR0913, PLR0917  # what tells one statement from another
    dialect: Dialect,
    table: Table,
    columns: Sequence[str],
    key: Sequence[str],
    replace: Sequence[str],
    keep: Sequence[str],
) -> str:
    """Return a statement that takes rows by name, as the driver does.

    SQLAlchemy would look at every value of every row, which costs more than the database does.
    """
    is_sqlite = dialect.name == "sqlite"
    insert = (sqlite.insert if is_sqlite else postgresql.insert)(table)
    changes: dict[str, ColumnElement[Any]] = {name: insert.excluded[name] for name in replace}
    changes |= {name: func.coalesce(insert.excluded[name], table.c[name]) for name in keep}
    if "last_seen" in table.c:
        changes["first_seen"] = earlier(insert.excluded.first_seen, table.c.first_seen)
        changes["last_seen"] = later(insert.excluded.last_seen, table.c.last_seen)
    statement = insert.on_conflict_do_update(index_elements=list(key), set_=changes)
    named = sqlite.dialect(paramstyle="named") if is_sqlite else dialect
    return str(statement.compile(dialect=named, column_keys=list(columns)))
