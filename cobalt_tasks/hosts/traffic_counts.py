"""How many connections came in within each minute, hour and day, by protocol: counted as they are stored. Hours and days are
kept for good.

On PostgreSQL every backend adds to rows of its own, so that no transaction waits for another (see `db/counts.py`).
"""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, func, select, text

from cobalt_tasks.core.durations import DAY
from cobalt_tasks.db.tables import traffic_counts
from cobalt_tasks.hosts import time_spans

MINUTES_KEPT_SECONDS: Final = 2 * DAY

_ADD: Final = (
    "INSERT INTO traffic_counts (span, start, protocol, slot, connections) VALUES {rows} "
    "ON CONFLICT (span, start, protocol, slot) DO UPDATE SET connections = traffic_counts.connections + excluded.connections"
)
_FOLDED_ABOVE: Final = 200
_FOLD: Final = """
WITH gone AS (
    DELETE FROM traffic_counts WHERE slot <> 0 AND slot NOT IN (SELECT pid FROM pg_stat_activity WHERE pid IS NOT NULL)
    RETURNING span, start, protocol, connections
)
INSERT INTO traffic_counts (span, start, protocol, slot, connections)
SELECT span, start, protocol, 0, sum(connections) FROM gone GROUP BY span, start, protocol ORDER BY span, start, protocol
ON CONFLICT (span, start, protocol, slot) DO UPDATE SET connections = traffic_counts.connections + excluded.connections
"""


def add(connection: Connection, arrived_at: float, protocols: Mapping[str, int]) -> None:
    """Count connections.

    Args:
        connection: the transaction that stores them.
        arrived_at: when they came in, epoch seconds.
        protocols: how many of each protocol; less than 0 for those that are deleted as if they never came.

    """
    if not protocols:
        return
    is_postgresql = connection.dialect.name == "postgresql"
    mark, slot = ("%s", "pg_backend_pid()") if is_postgresql else ("?", "0")
    row = f"({mark}, {mark}, {mark}, {slot}, {mark})"
    values = [
        (span, time_spans.start(span, arrived_at), protocol, number)
        for span in time_spans.LENGTHS
        for protocol, number in sorted(protocols.items())
    ]
    statement = _ADD.format(rows=", ".join([row] * len(values)))
    connection.exec_driver_sql(statement, tuple(value for each in values for value in each))


def find(connection: Connection, span: str, since: float, until: float | None = None) -> list[tuple[int, str, int]]:
    """Return (start, protocol, connections) for each span and protocol with any, in order.

    Args:
        connection: to the ledger.
        span: "minute", "hour" or "day".
        since: epoch seconds; the span that this lies in is the first.
        until: epoch seconds; the span that this lies in is the last. None: up to now.

    """
    columns = (traffic_counts.c.start, traffic_counts.c.protocol)
    sums = select(*columns, func.sum(traffic_counts.c.connections)).group_by(*columns).order_by(*columns)
    rows = connection.execute(sums.where(time_spans.within(traffic_counts, span, since, until)))
    return [(start, protocol, int(number)) for start, protocol, number in rows if number]


def expire(connection: Connection) -> None:
    """Delete the counts of minutes that are older than two days."""
    time_spans.expire(connection, traffic_counts, "minute", MINUTES_KEPT_SECONDS)


def fold(connection: Connection) -> None:
    """Add up what backends that are gone have counted, when that has become many rows. Does nothing on SQLite."""
    if connection.dialect.name != "postgresql":
        return
    some = select(traffic_counts.c.slot).where(traffic_counts.c.slot != 0).limit(_FOLDED_ABOVE).subquery()
    if connection.execute(select(func.count()).select_from(some)).scalar_one() >= _FOLDED_ABOVE:
        connection.execute(text(_FOLD))
