"""Deletes what is older, or more, than the settings keep: connections, history, rejects. Nothing goes without a setting.

The round of upkeep calls `Retention.run` every few seconds. It deletes in small transactions and for about a second, so
that a large backlog goes over many rounds while everything else goes on.

A connection's identity stays for a month after the connection went: its lines, read again from a copy of the file, are
duplicates, not new connections.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from sqlalchemy import Connection, Table, delete, exists, func, select
from sqlalchemy import text as sql

from cobalt_tasks.core.durations import DAY
from cobalt_tasks.core.keep_limits import KeepLimit
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db import clocks, cursors, old_rows, partitions
from cobalt_tasks.db.connection_ids import IDS_A_DAY
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import banners, changes, identities, jobs, observations, ports, rejects, services, sightings
from cobalt_tasks.db.tables.jobs import ACTIVE
from cobalt_tasks.hosts.search import texts
from cobalt_tasks.threat import unscored

_AT_ONCE: Final = 2_000
"""Rows of one transaction: some 20 ms."""

_IDENTITIES_AT_ONCE: Final = 20_000
_SECONDS: Final = 1.0
_IDENTITIES_STAY: Final = 30 * DAY

Step = Callable[[Connection], int]
"""Deletes some rows and returns how many."""


class Retention:
    """Deletes by the settings. Holds how far walks through tables have come; a new process starts them again."""

    def __init__(self, settings: Settings) -> None:
        """Delete by the `settings` of this process."""
        self._settings = settings
        self._after: dict[str, old_rows.Key | None] = {}

    def run(self, database: Database, seconds: float = _SECONDS) -> int:
        """Delete some of what is not kept; return how many rows went.

        Args:
            database: the ledger.
            seconds: after which no further transaction starts.

        """
        until, gone = time.monotonic() + seconds, 0
        # By a clock that is a day ahead, too much would go.
        if not database.write(clocks.observe).is_trusted:
            return 0
        partitions.keep_up(database, self._settings.keep_connections)
        if (limit := self._settings.keep_connections) is not None:
            with database.reading() as connection:
                read = cursors.position(connection, unscored.OBSERVED)
            partitions.drop_old(database, limit, read)
        steps = list(self._steps())
        for step in steps:
            while removed := database.write(step):
                gone += removed
                if time.monotonic() > until:
                    return gone
        while steps and time.monotonic() < until and database.write(old_rows.vacuum):
            pass
        return gone

    def _steps(self) -> Iterator[Step]:
        if (limit := self._settings.keep_connections) is not None:
            yield lambda connection: _drop_connections(connection, limit)
            yield lambda connection: self._drop_identities(connection, limit)
        if (history := self._settings.keep_history) is not None:
            yield lambda connection: _drop_changes(connection, history)
            yield lambda connection: self._drop_closed_ports(connection, history)
            for table in (banners, sightings):
                yield lambda connection, table=table: self._drop_evidence(connection, history, table)  # type: ignore[misc]
        if (refused := self._settings.keep_rejects) is not None:
            yield lambda connection: _drop_rejects(connection, refused)

    def _walk(self, connection: Connection, table: Table, *conditions: Any, most: int = _AT_ONCE) -> Any:
        """Return the condition of the next rows of a table by their key; None at its end, after which it starts again."""
        keys = old_rows.next_keys(connection, table, self._after.get(table.name), most, *conditions)
        self._after[table.name] = tuple(keys[-1]) if len(keys) == most else None
        return old_rows.within(table, tuple(keys[0]), tuple(keys[-1])) if keys else None

    def _drop_identities(self, connection: Connection, limit: KeepLimit) -> int:
        """Delete identities of connections that went a month ago."""
        oldest = _oldest_connection(connection, limit)
        piece = self._walk(connection, identities, most=_IDENTITIES_AT_ONCE)
        if oldest is None or piece is None:
            return 0
        day = int((oldest - _IDENTITIES_STAY) // DAY)
        leads = exists().where(observations.c.id == identities.c.observation_id)
        return connection.execute(delete(identities).where(piece, identities.c.day < day, ~leads)).rowcount

    def _drop_closed_ports(self, connection: Connection, limit: KeepLimit) -> int:
        """Delete ports that have been closed for long, with what was known of them; not one that a job is for."""
        oldest = old_rows.cutoff(connection, limit, changes, changes.c.recorded_at)
        piece = self._walk(connection, ports, ports.c.unconfirmed_since.is_not(None))
        if oldest is None or piece is None:
            return 0
        key = tuple(ports.primary_key)
        has_job = exists().where(*(jobs.c[each.name] == each for each in key), sql(ACTIVE))
        old = select(*key).where(piece, ports.c.unconfirmed_since.is_not(None), ports.c.closed_since < oldest, ~has_job)
        targets = [tuple(row) for row in connection.execute(old.with_for_update())]
        for address, protocol, port in targets:
            for table in (ports, services, banners, sightings):
                same = table.c.address == address, table.c.protocol == protocol, table.c.port == port
                connection.execute(delete(table).where(*same))
        texts.enqueue(connection, {address for address, *_ in targets})
        return len(targets)

    def _drop_evidence(self, connection: Connection, limit: KeepLimit, table: Table) -> int:
        """Delete banners or sightings of certificates that newer ones of the same port have replaced."""
        oldest = old_rows.cutoff(connection, limit, changes, changes.c.recorded_at)
        piece = self._walk(connection, table)
        if oldest is None or piece is None:
            return 0
        newer = table.alias()
        same = (newer.c[name] == table.c[name] for name in ("address", "protocol", "port", "source"))
        is_replaced = exists().where(*same, newer.c.last_seen > table.c.last_seen)
        return connection.execute(delete(table).where(piece, table.c.last_seen < oldest, is_replaced)).rowcount


def _oldest_connection(connection: Connection, limit: KeepLimit) -> float | None:
    """Return before when connections are not kept; by size, when the oldest of those that are left came in."""
    if limit.seconds is not None:
        return old_rows.cutoff(connection, limit, observations, observations.c.arrived_at)
    return connection.execute(select(func.min(observations.c.arrived_at))).scalar()


def _drop_connections(connection: Connection, limit: KeepLimit) -> int:
    """Delete the oldest connections that scoring has read."""
    # Of PostgreSQL, only those older than its parts of days: the others go with their part.
    is_single = observations.c.id < IDS_A_DAY
    oldest = old_rows.cutoff(connection, limit, observations, observations.c.arrived_at, is_single)
    if oldest is None:
        return 0
    # The newest stays: SQLite would use its id again, and what reads by ids would miss the next rows.
    newest = select(func.max(observations.c.id)).scalar_subquery()
    read = cursors.position(connection, unscored.OBSERVED)
    old = is_single, observations.c.arrived_at < oldest, observations.c.id <= read, observations.c.id < newest
    return old_rows.delete_by_id(connection, observations, old, observations.c.arrived_at, _AT_ONCE)


def _drop_changes(connection: Connection, limit: KeepLimit) -> int:
    """Delete the oldest changes."""
    oldest = old_rows.cutoff(connection, limit, changes, changes.c.recorded_at)
    if oldest is None:
        return 0
    newest = select(func.max(changes.c.id)).scalar_subquery()
    old = changes.c.recorded_at < oldest, changes.c.id < newest
    return old_rows.delete_by_id(connection, changes, old, changes.c.recorded_at, _AT_ONCE)


def _drop_rejects(connection: Connection, limit: KeepLimit) -> int:
    oldest = old_rows.cutoff(connection, limit, rejects, rejects.c.arrived_at)
    if oldest is None:
        return 0
    return old_rows.delete_by_id(connection, rejects, [rejects.c.arrived_at < oldest], rejects.c.arrived_at, _AT_ONCE)
