"""What one batch of input brings, written in one transaction with the checkpoint.

Rows travel as plain tuples in the order of `COLUMNS` and go through the driver: the loops here are the hot path.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Table

from cobalt_tasks.core.records import Banner, Facts, NewJob
from cobalt_tasks.db import counts
from cobalt_tasks.db import pg_copy as driver
from cobalt_tasks.db.tables import hosts, observations, ports
from cobalt_tasks.hosts import facts
from cobalt_tasks.ingest.store import merge_details as repeated
from cobalt_tasks.ingest.store import rejects, sources
from cobalt_tasks.ingest.store.rejects import Rejected
from cobalt_tasks.ingest.store.sources import Checkpoint, Source, Tally
from cobalt_tasks.jobs import creation as new_jobs

Rows = list[tuple[Any, ...]]

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
    "hosts": ("address", "first_seen", "last_seen", "discovered"),
    "ports": ("address", "protocol", "port", "first_seen", "last_seen"),
}
"""The columns of each table that input writes, in the order of the rows' values."""

_IGNORE_REPEATED: Final = {
    "observations": "ON CONFLICT (source_id, identity) WHERE identity IS NOT NULL DO NOTHING",
    "discoveries": "ON CONFLICT DO NOTHING",
}
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
    + " "
    + _WIDER.format("ports"),
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
}

_CACHE: Final = "PRAGMA cache_size=-16384"
"""A producer's memory is bounded, and the system caches the file as well."""


class Intake(Struct, kw_only=True):
    """What one batch brings. Rows of hosts and ports are sorted by key, each key once.

    `evidence` holds banners that say something about a port without naming its service (a page's title).
    """

    observations: Rows = []
    identified: Rows = []
    discoveries: Rows = []
    rejects: Rows = []
    hosts: Rows = []
    ports: Rows = []
    facts: Facts = msgspec.field(default_factory=Facts)
    evidence: list[Banner] = []
    jobs: list[NewJob] = []
    ignored: int = 0


def store(connection: Connection, source: Source, intake: Intake, checkpoint: Checkpoint) -> Source:
    """Write a batch and move the checkpoint; return the source as it is now.

    Raises:
        CheckpointMovedError: another process read the same lines: roll back.

    """
    return sources.advance(connection, source, checkpoint, write(connection, intake))


def write(connection: Connection, intake: Intake) -> Tally:
    """Write a batch; return what it adds to its source's ledger."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(_CACHE)
    _append(connection, "observations", intake.observations)
    new = _add(connection, "observations", intake.identified)
    if new < len(intake.identified):
        # A row begins with its source and ends with identity and details.
        repeated.add_details(connection, intake.identified[0][0], [row[-2:] for row in intake.identified])
    counts.add(connection, observations, len(intake.observations) + new)
    new += _add(connection, "discoveries", intake.discoveries)
    _insert(connection, "rejects", intake.rejects)
    _upsert(connection, hosts, intake.hosts)
    _upsert(connection, ports, intake.ports)
    facts.write(connection, intake.facts)
    facts.write_banners(connection, intake.evidence)
    new_jobs.create(connection, intake.jobs)
    unique = len(intake.identified) + len(intake.discoveries)
    records = len(intake.observations) + unique
    return Tally(
        read=records + len(intake.rejects) + intake.ignored,
        accepted=len(intake.observations) + new,
        duplicates=unique - new,
        rejected=len(intake.rejects),
        ignored=intake.ignored,
    )


def replace_reject(connection: Connection, refused: Rejected, intake: Intake) -> None:
    """Write what a refused line turned out to say, in place of its reject; nothing when somebody else did so."""
    if rejects.remove(connection, [refused.id]):
        change = write(connection, intake)
        change.add(Tally(read=1, rejected=1), -1)
        sources.adjust(connection, refused.source_id, change)


def _append(connection: Connection, table: str, rows: Rows) -> None:
    """Insert rows that cannot conflict."""
    if not rows:
        return
    if connection.dialect.name != "postgresql":
        _insert(connection, table, rows)
        return
    driver.copy(connection, table, COLUMNS[table], rows)


def _add(connection: Connection, table: str, rows: Rows) -> int:
    """Insert rows that the ledger may hold already; return how many it did not."""
    return _many(connection, table, rows, _IGNORE_REPEATED[table])


def _upsert(connection: Connection, table: Table, rows: Rows) -> None:
    if rows:
        with counts.adding(connection, table):
            _many(connection, table.name, rows, _UPDATE[table.name])


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
        staged = driver.stage(connection, table, {name: _TYPES.get(name, "text") for name in columns}, rows)
        statement = f"INSERT INTO {table} ({names}) SELECT {names} FROM {staged} {conflict}"  # noqa: S608
        return connection.exec_driver_sql(statement).rowcount
    marks = ", ".join("?" * len(columns))
    statement = f"INSERT INTO {table} ({names}) VALUES ({marks}) {conflict}"  # noqa: S608
    return connection.exec_driver_sql(statement, list(rows)).rowcount
