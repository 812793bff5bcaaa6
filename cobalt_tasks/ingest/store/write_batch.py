"""Writes a batch of input, in one transaction with the checkpoint.

Rows travel as plain tuples in the order of `COLUMNS` and go through the driver: the loops here are the hot path.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import Connection, Table

from cobalt_tasks.core.addresses import sort_key
from cobalt_tasks.core.changes import Change, ChangeKind
from cobalt_tasks.db import counts, pg_copy, upserts
from cobalt_tasks.db.tables import hosts, observations, ports
from cobalt_tasks.hosts import changes, facts, port_states, traffic_counts
from cobalt_tasks.ingest.batch import Batch, Rows
from cobalt_tasks.ingest.connections import IdentifiedConnection
from cobalt_tasks.ingest.store import identities, rejects, sources
from cobalt_tasks.ingest.store.rejects import Rejected
from cobalt_tasks.ingest.store.sources import Checkpoint, Source, Tally
from cobalt_tasks.jobs import creation
from cobalt_tasks.threat import unscored

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "observations": (
        *("source_id", "observed_at", "arrived_at", "src_ip", "src_port", "dst_ip", "dst_port"),
        *("protocol", "process", "identity", "details"),
    ),
    "discoveries": (
        *("source_id", "address", "protocol", "port", "banner_key", "observed_at", "arrived_at"),
        *("reason", "ttl", "details"),
    ),
    "rejects": ("source_id", "position", "reason", "line", "arrived_at"),
    "hosts": ("address", "first_seen", "last_seen", "discovered", "address_key"),
    "ports": ("address", "protocol", "port", "first_seen", "last_seen", "seen_in_traffic"),
}
"""The columns of each table that input writes, in the order of the rows' values."""

_PROTOCOL: Final = itemgetter(COLUMNS["observations"].index("protocol"))
_IGNORE_REPEATED: Final = "ON CONFLICT DO NOTHING"
_SPAN: Final = (
    "first_seen = CASE WHEN excluded.first_seen < {0}.first_seen THEN excluded.first_seen ELSE {0}.first_seen END, "
    "last_seen = CASE WHEN excluded.last_seen > {0}.last_seen THEN excluded.last_seen ELSE {0}.last_seen END"
)
_WIDER: Final = "WHERE excluded.first_seen < {0}.first_seen OR excluded.last_seen > {0}.last_seen"
_UPDATE: Final = {
    "hosts": "ON CONFLICT (address) DO UPDATE SET "
    + _SPAN.format("hosts")
    + ", discovered = (hosts.discovered OR excluded.discovered) "
    + _WIDER.format("hosts")
    + " OR excluded.discovered > hosts.discovered",
    "ports": "ON CONFLICT (address, protocol, port) DO UPDATE SET "
    + _SPAN.format("ports")
    + ", seen_in_traffic = (ports.seen_in_traffic AND excluded.seen_in_traffic) "
    + _WIDER.format("ports")
    + " OR ports.seen_in_traffic > excluded.seen_in_traffic",
}
_TYPES: Final = {
    "source_id": "bigint",
    "port": "integer",
    "src_port": "integer",
    "dst_port": "integer",
    "ttl": "integer",
    "observed_at": "double precision",
    "arrived_at": "double precision",
    "first_seen": "double precision",
    "last_seen": "double precision",
    "discovered": "boolean",
    "seen_in_traffic": "boolean",
}

_WITH_JOBS: Final = frozenset({ChangeKind.HOST_FOUND, ChangeKind.PORT_OPENED})

_CACHE: Final = "PRAGMA cache_size=-16384"
"""A producer's memory is bounded, and the system caches the file as well."""


def store(connection: Connection, source: Source, batch: Batch, checkpoint: Checkpoint) -> Source:
    """Write a batch and move the checkpoint; return the source as it is now.

    source: as it was when the batch was read; batch: with all that follows from it; checkpoint: where it ends.

    Raises:
        CheckpointMovedError: another process read the same lines: roll back.

    """
    return sources.advance(connection, source, checkpoint, write(connection, batch))


def write(connection: Connection, batch: Batch) -> Tally:
    """Write `batch`; return what it adds to its source's ledger."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(_CACHE)
    _append(connection, "observations", batch.observations)
    identified = identities.write(connection, batch)
    counts.add(connection, observations, len(batch.observations) + len(identified))
    _count_traffic(connection, batch, identified)
    new = len(identified) + _many(connection, "discoveries", batch.discoveries, _IGNORE_REPEATED)
    _insert(connection, "rejects", batch.rejects)
    found = _write_targets(connection, batch)
    found += facts.write(connection, batch.facts)
    for part in batch.scans:
        found += port_states.apply(connection, batch.source_id, part)
    facts.write_banners(connection, batch.evidence)
    creation.create(connection, batch.jobs)
    changes.write(connection, found, batch.source_id)
    unscored.queue(connection, _without_jobs(batch, found))
    accepted = len(batch.observations) + new
    return Tally(
        read=batch.records,
        accepted=accepted,
        duplicates=batch.records - accepted - len(batch.rejects) - batch.ignored,
        rejected=len(batch.rejects),
        ignored=batch.ignored,
    )


def _without_jobs(batch: Batch, found: Sequence[Change]) -> set[str]:
    """Return the hosts of changes that no job of `batch` ends with: what is new has jobs, if it may be asked or looked up."""
    asked = {job.address for job in batch.jobs}
    return {each.address for each in found if each.kind not in _WITH_JOBS or each.address not in asked}


def _write_targets(connection: Connection, batch: Batch) -> list[Change]:
    """Write the hosts and ports of `batch`; return what changed."""
    rows = [(*row, sort_key(row[0])) for row in batch.hosts]
    if not batch.ports and not batch.discoveries:
        # Hosts merely seen in traffic are no change.
        _upsert(connection, hosts, rows, is_asked=False)
        return []
    found = _new_hosts(batch, _upsert(connection, hosts, rows))
    if batch.ports:
        found += _new_ports(batch, _upsert(connection, ports, batch.ports))
        found += port_states.reopen(connection, (row[:3] for row in batch.ports))
    return found


def _count_traffic(connection: Connection, batch: Batch, identified: Collection[IdentifiedConnection]) -> None:
    protocols = Counter(map(_PROTOCOL, batch.observations))
    protocols.update(each.protocol for each in identified)
    traffic_counts.add(connection, batch.arrived_at, protocols)


def replace_reject(connection: Connection, refused: Rejected, batch: Batch) -> None:
    """Write `batch`, read from the line of `refused`, in its place; nothing when another process did so."""
    if rejects.remove(connection, [refused.id]):
        change = write(connection, batch)
        change.add(Tally(read=1, rejected=1), -1)
        sources.adjust(connection, refused.source_id, change)


def _append(connection: Connection, table: str, rows: Rows) -> None:
    """Insert rows that cannot conflict."""
    if not rows:
        return
    if connection.dialect.name != "postgresql":
        _insert(connection, table, rows)
        return
    pg_copy.copy(connection, table, COLUMNS[table], rows)


def _upsert(connection: Connection, table: Table, rows: Rows, *, is_asked: bool = True) -> Rows:
    """Insert hosts or ports, or widen their times; return the primary keys of those that are new.

    table, rows: where, and in the order of its columns; is_asked: whether the keys are wanted; if not, none are returned.
    """
    if not rows:
        return []
    key = [column.name for column in table.primary_key]
    if connection.dialect.name == "postgresql" and is_asked:
        return _staged(connection, table.name, rows, _UPDATE[table.name], key)
    with counts.adding(connection, table):
        last = upserts.last_row(connection, table) if is_asked else 0
        _many(connection, table.name, rows, _UPDATE[table.name])
        return upserts.rows_after(connection, table, last, key) if is_asked else []


def _staged(connection: Connection, table: str, rows: Rows, conflict: str, key: Sequence[str]) -> Rows:
    names, returned = ", ".join(COLUMNS[table]), ", ".join(key)
    staged = pg_copy.stage(connection, table, {name: _TYPES.get(name, "text") for name in COLUMNS[table]}, rows)
    # A row that is inserted has no xmax; one that is updated was locked first.
    written = (
        f"INSERT INTO {table} ({names}) SELECT {names} FROM {staged} {conflict} RETURNING {returned}, xmax = 0 AS new"  # noqa: S608
    )
    statement = f"WITH written AS ({written}) SELECT {returned} FROM written WHERE new"  # noqa: S608
    return [tuple(row) for row in connection.exec_driver_sql(statement)]


def _new_hosts(batch: Batch, new: Rows) -> list[Change]:
    """Return the hosts that a scan reports and that were unknown; hosts merely seen in traffic are none outside own networks."""
    if not new:
        return []
    found = {address: first for address, first, _, discovered, *_ in batch.hosts if discovered or address in batch.own}
    return [
        Change(kind=ChangeKind.HOST_FOUND, address=address, observed_at=found[address])
        for (address,) in new
        if address in found
    ]


def _new_ports(batch: Batch, new: Rows) -> list[Change]:
    if not new:
        return []
    found = {row[:3]: row[3] for row in batch.ports if not row[5] or row[0] in batch.own}
    return [
        Change(kind=ChangeKind.PORT_OPENED, address=each[0], protocol=each[1], port=each[2], observed_at=found[each])
        for each in new
        if each in found
    ]


def _insert(connection: Connection, table: str, rows: Rows) -> None:
    if rows:
        mark = "%s" if connection.dialect.name == "postgresql" else "?"
        marks = ", ".join([mark] * len(COLUMNS[table]))
        connection.exec_driver_sql(f"INSERT INTO {table} ({', '.join(COLUMNS[table])}) VALUES ({marks})", rows)  # noqa: S608


def _many(connection: Connection, table: str, rows: Sequence[tuple[Any, ...]], conflict: str) -> int:
    if not rows:
        return 0
    columns = COLUMNS[table]
    names = ", ".join(columns)
    if connection.dialect.name == "postgresql":
        staged = pg_copy.stage(connection, table, {name: _TYPES.get(name, "text") for name in columns}, rows)
        statement = f"INSERT INTO {table} ({names}) SELECT {names} FROM {staged} {conflict}"  # noqa: S608
        return connection.exec_driver_sql(statement).rowcount
    marks = ", ".join("?" * len(columns))
    statement = f"INSERT INTO {table} ({names}) VALUES ({marks}) {conflict}"  # noqa: S608
    return connection.exec_driver_sql(statement, list(rows)).rowcount
