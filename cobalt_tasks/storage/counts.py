"""Counts that are kept, not counted: rows of the large tables, and jobs by kind and state.

Triggers keep them in the transaction of the change, so that they are exact whoever writes. On PostgreSQL every backend
adds to rows of its own (`slot` is its process id), so that no transaction waits for another; the sum over the slots is
the count, and the sweep folds slots into one. SQLite has one writer, and the slot 0.
"""

from sqlalchemy import Connection, Table, func, select, text

from cobalt_tasks.storage.models import counts, observations

_FOLDED_ABOVE = 500
"""Rows of slots that may stay: one for each backend and name."""


def table_size(connection: Connection, table: Table) -> int:
    """Return how many rows one of the tables has whose rows are counted: observations, hosts, ports."""
    found = connection.execute(select(func.sum(counts.c.number)).where(counts.c.name == table.name)).scalar()
    if table is observations and connection.dialect.name == "sqlite":
        # There the number is what is missing from the greatest id (triggers.py).
        found = (found or 0) + (connection.execute(select(func.max(observations.c.id))).scalar() or 0)
    return int(found or 0)


def jobs_by_kind_and_state(connection: Connection) -> dict[tuple[str, str], int]:
    """Return how many jobs there are for each (kind, state) that has any."""
    sums = select(counts.c.name, func.sum(counts.c.number)).where(counts.c.name.like("jobs %")).group_by(counts.c.name)
    found = {}
    for name, number in connection.execute(sums):
        _, kind, state = name.split(" ")
        if number:
            found[kind, state] = int(number)
    return found


def fold(connection: Connection) -> None:
    """Add up what backends that are gone have counted, when that has become many rows. Does nothing on SQLite."""
    if connection.dialect.name != "postgresql":
        return
    if connection.execute(select(func.count()).select_from(counts)).scalar_one() > _FOLDED_ABOVE:
        connection.execute(text(_FOLD))


_FOLD = """
WITH gone AS (
    DELETE FROM counts WHERE slot <> 0 AND slot NOT IN (SELECT pid FROM pg_stat_activity WHERE pid IS NOT NULL)
    RETURNING name, number
)
INSERT INTO counts (name, slot, number) SELECT name, 0, sum(number) FROM gone GROUP BY name ORDER BY name
ON CONFLICT (name, slot) DO UPDATE SET number = counts.number + excluded.number
"""
