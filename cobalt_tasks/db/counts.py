"""Counts that are kept, not counted: rows of the large tables, and jobs by kind and state.

They change in the transaction of the change. Triggers count what is updated or deleted, and on PostgreSQL new hosts, ports
and jobs. The rest is counted by its writer, a batch at once, because a trigger costs as much as the row itself: every new
row on SQLite, and new observations on PostgreSQL.

On PostgreSQL every backend adds to rows of its own (`slot` is its process id), so that no transaction waits for another; the
sum over the slots is the count, and the sweep folds slots into one. SQLite has one writer, and the slot 0.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Table, func, select, text

from cobalt_tasks.core.catalog import BY_NAME
from cobalt_tasks.core.records import State
from cobalt_tasks.db.tables import counts, jobs
from cobalt_tasks.db.triggers import COVERED, LOCATED, UNSTARTED

_FOLDED_ABOVE = 500
"""Rows of slots that may stay: one for each backend and name."""


def table_size(connection: Connection, table: Table) -> int:
    """Return how many rows a `table` has, one of those whose rows are counted: observations, hosts, ports."""
    return _number(connection, table.name)


def unstarted(connection: Connection) -> int:
    """Return how many hosts have a first geolocation job that has been pending since it was made: see `triggers.py`."""
    return _number(connection, UNSTARTED)


def covered(connection: Connection) -> int:
    """Return how many hosts have a row of geolocation in `freshness`: see `triggers.py`."""
    return _number(connection, COVERED)


def located(connection: Connection) -> int:
    """Return how many hosts have a country or coordinates."""
    return _number(connection, LOCATED)


def jobs_by_kind_and_state(connection: Connection) -> dict[tuple[str, str], int]:
    """Return how many jobs there are for each (kind, state) that has any."""
    sums = select(counts.c.name, func.sum(counts.c.number)).where(counts.c.name.like("jobs %")).group_by(counts.c.name)
    found = {}
    for name, number in connection.execute(sums):
        _, kind, state = name.split(" ")
        if number:
            found[kind, state] = int(number)
    return found


def add(connection: Connection, table: Table, number: int) -> None:
    """Count new rows of a `table` that no trigger counts.

    number: how many rows this transaction inserted.
    """
    _add(connection, table.name, number)


@contextmanager
def adding(connection: Connection, table: Table) -> Iterator[None]:
    """Count the rows of `table` (hosts, ports or jobs) that are inserted within the block. Does nothing on PostgreSQL.

    SQLite numbers new rows upwards without a gap, also where others conflict.
    """
    if connection.dialect.name != "sqlite":
        yield
        return
    last = f"SELECT coalesce(max(rowid), 0) FROM {table.name}"  # noqa: S608  # a name of our own
    before = connection.exec_driver_sql(last).scalar_one()
    yield
    after = connection.exec_driver_sql(last).scalar_one()
    if after == before:
        return
    if table is jobs:
        # New jobs are pending.
        names = [f"jobs {kind} {State.PENDING}" for kind in BY_NAME] + [UNSTARTED]
        for name, number in zip(names, connection.exec_driver_sql(_NEW_JOBS, (before,)).one(), strict=True):
            _add(connection, name, number)
    else:
        _add(connection, table.name, after - before)


def _add(connection: Connection, name: str, number: int) -> None:
    if number:
        connection.exec_driver_sql(_ADD[connection.dialect.name].format(name=name, number=number))


def _number(connection: Connection, name: str) -> int:
    found = connection.execute(select(func.sum(counts.c.number)).where(counts.c.name == name)).scalar()
    return int(found or 0)


def fold(connection: Connection) -> None:
    """Add up what backends that are gone have counted, when that has become many rows. Does nothing on SQLite."""
    if connection.dialect.name != "postgresql":
        return
    if connection.execute(select(func.count()).select_from(counts)).scalar_one() > _FOLDED_ABOVE:
        connection.execute(text(_FOLD))


_ADD = {
    "sqlite": "INSERT INTO counts (name, slot, number) VALUES ('{name}', 0, {number}) "
    "ON CONFLICT (name, slot) DO UPDATE SET number = number + excluded.number",
    "postgresql": "INSERT INTO counts (name, slot, number) VALUES ('{name}', pg_backend_pid(), {number}) "
    "ON CONFLICT (name, slot) DO UPDATE SET number = counts.number + excluded.number",
}
# One pass without a sort: this is the hot path of input.
_NEW_JOBS = f"""
SELECT {", ".join(f"sum(kind = '{kind}')" for kind in BY_NAME)}, sum(CASE kind WHEN 'geolocation' THEN NOT EXISTS (
    SELECT 1 FROM freshness AS known
    WHERE known.kind = 'geolocation' AND known.address = jobs.address AND known.protocol = jobs.protocol AND known.port = jobs.port
) ELSE 0 END) FROM jobs WHERE id > ?
"""  # noqa: S608  # names of our own
_FOLD = """
WITH gone AS (
    DELETE FROM counts WHERE slot <> 0 AND slot NOT IN (SELECT pid FROM pg_stat_activity WHERE pid IS NOT NULL)
    RETURNING name, number
)
INSERT INTO counts (name, slot, number) SELECT name, 0, sum(number) FROM gone GROUP BY name ORDER BY name
ON CONFLICT (name, slot) DO UPDATE SET number = counts.number + excluded.number
"""
