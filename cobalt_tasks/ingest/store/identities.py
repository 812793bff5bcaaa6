"""Connections with an identity: each is one row, whichever sources its lines come from.

The table `identities` leads from the key of an identity to the row of its connection. It is written first: the
writer that inserts a key owns the new row, and what was there already leads to the row that the line joins. Keys and rows are locked
in order, so that two writers cannot wait for each other.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec.structs import astuple
from sqlalchemy import Connection, Row, bindparam, select, update

from cobalt_tasks.core.durations import DAY
from cobalt_tasks.db import pg_copy
from cobalt_tasks.db.bulk import among
from cobalt_tasks.db.tables import identities, observations
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.connections import IdentifiedConnection
from cobalt_tasks.threat import corrected_hosts

_AT_ONCE: Final = 500
"""Known connections that are read and joined at once."""

_CHANGED: Final = ("observed_at", "src_ip", "src_port", "dst_ip", "dst_port", "protocol", "process", "details")
"""The columns of a connection that a line which joins may change."""

_ENDS: Final = ("src_ip", "dst_ip", "dst_port", "protocol")
"""Those of them that scores are made from."""

_LINE: Final = (*_CHANGED[:-1], "identity", "details")
"""The columns that are the first fields of `IdentifiedConnection`."""

_COLUMNS: Final = ("id", "source_id", "arrived_at", *_LINE)


def write(connection: Connection, batch: Batch) -> Collection[IdentifiedConnection]:
    """Store the connections of `batch` that have an identity, or join them to those known; return those that are new."""
    if not batch.identified:
        return ()
    reserved = dict(zip(batch.identified, _reserve(connection, len(batch.identified)), strict=True))
    known = _claim(connection, batch, reserved)
    rows = {row.id: row for row in _rows(connection, [each.observation_id for each in known.values()])}
    new = {reserved[key]: each for key, each in batch.identified.items() if key not in known}
    _insert(connection, batch, new)
    # What is not kept any more is known all the same. On SQLite, its id may be another's by now.
    joins = [(each, rows.get(each.observation_id), batch.identified[key]) for key, each in known.items()]
    _join(connection, [(each, row, line) for each, row, line in joins if row and row.identity == line.identity])
    return new.values()


def rows_of(connection: Connection, keys: Sequence[int]) -> list[dict[str, Any]]:
    """Return the rows of the connections that `keys` lead to, with their authority, by name."""
    found = select(observations, identities.c.authority, identities.c.key)
    joined = found.join(identities, identities.c.observation_id == observations.c.id)
    return [dict(row) for row in connection.execute(joined.where(among(connection, identities.c.key, keys))).mappings()]


def _reserve(connection: Connection, number: int) -> Sequence[int]:
    """Return `number` ids for new connections, in the order of the lines."""
    if connection.dialect.name == "postgresql":
        drawn = "SELECT nextval(pg_get_serial_sequence('observations', 'id')) FROM generate_series(1, %s)"
        return list(connection.exec_driver_sql(drawn, (number,)).scalars())
    last = connection.exec_driver_sql("SELECT coalesce(max(id), 0) FROM observations").scalar_one()
    return range(last + 1, last + 1 + number)


def _claim(connection: Connection, batch: Batch, reserved: Mapping[int, int]) -> dict[int, Row[Any]]:
    """Insert the keys of a batch; return the rows of those that were there already."""
    day = int(batch.arrived_at // DAY)
    rows = [(key, reserved[key], day, each.authority) for key, each in batch.identified.items()]
    if connection.dialect.name == "postgresql":
        columns = [list(column) for column in zip(*sorted(rows), strict=True)]
        inserted = connection.exec_driver_sql(
            "INSERT INTO identities (key, observation_id, day, authority) "
            "SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::integer[], %s::smallint[]) ON CONFLICT DO NOTHING",
            tuple(columns),
        ).rowcount
    else:
        inserted = connection.exec_driver_sql(
            "INSERT INTO identities (key, observation_id, day, authority) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            rows,
        ).rowcount
    if inserted == len(rows):
        return {}
    found = connection.execute(select(identities).where(among(connection, identities.c.key, list(reserved))))
    return {row.key: row for row in found if row.observation_id != reserved[row.key]}


def _rows(connection: Connection, ids: Sequence[int]) -> Iterator[Row[Any]]:
    """Yield the rows with these ids, locked, in the order of their ids."""
    columns = [observations.c[name] for name in _COLUMNS]
    for start in range(0, len(ids), _AT_ONCE):
        piece = among(connection, observations.c.id, sorted(ids)[start : start + _AT_ONCE])
        yield from connection.execute(select(*columns).where(piece).order_by(observations.c.id).with_for_update())


def _insert(connection: Connection, batch: Batch, new: Mapping[int, IdentifiedConnection]) -> None:
    source, arrived_at = batch.source_id, batch.arrived_at
    length = len(_COLUMNS)
    rows = [(row, source, arrived_at, *astuple(each))[:length] for row, each in new.items()]
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        pg_copy.copy(connection, "observations", _COLUMNS, rows)
        return
    marks = ", ".join("?" * len(_COLUMNS))
    connection.exec_driver_sql(f"INSERT INTO observations ({', '.join(_COLUMNS)}) VALUES ({marks})", rows)  # noqa: S608


def _join(connection: Connection, known: Sequence[tuple[Row[Any], Row[Any], IdentifiedConnection]]) -> None:
    """Join lines to connections: triples of the identity's row, the connection's row, and the line."""
    changes, better = [], []
    moved: set[str] = set()
    for identity, row, line in known:
        stored = {name: getattr(row, name) for name in _CHANGED}
        joined = IdentifiedConnection(
            **stored,
            identity=row.identity,
            authority=identity.authority,
            first_at=row.observed_at,
            last_at=row.observed_at,
        )
        joined.join(line)
        after = {name: getattr(joined, name) for name in _CHANGED}
        if after != stored:
            changes.append({"row": row.id, **after})
        if any(after[name] != stored[name] for name in _ENDS):
            moved |= {row.src_ip, row.dst_ip, joined.src_ip, joined.dst_ip}
        if joined.authority != identity.authority:
            better.append({"identity": identity.key, "authority": int(joined.authority)})
    if changes:
        connection.execute(update(observations).where(observations.c.id == bindparam("row")), changes)
    corrected_hosts.queue(connection, moved)
    if better:
        connection.execute(update(identities).where(identities.c.key == bindparam("identity")), better)
