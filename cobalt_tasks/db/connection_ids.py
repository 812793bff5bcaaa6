"""Ids of connections: those of one day lie in a span of their own, so that a table can be divided by days through its key.

On PostgreSQL, `db/partitions.py` moves the sequence of ids to the span of each new day; ids never go back, whatever the
clock does. On SQLite, and before the first move, ids count from 1.
"""

from typing import Final

from sqlalchemy import Connection, func, select

from cobalt_tasks.db.tables import observations

IDS_A_DAY: Final = 2**38
"""More than can come in within a day; and ids stay below 2^53, up to which JSON's numbers are exact, until 2059."""

_DAYS_COUNTED: Final = 30


def back(connection: Connection, newest: int | None, number: int) -> int:
    """Return an id behind which are `number` connections or fewer.

    Args:
        connection: to the ledger.
        newest: the last id, None for an empty table.
        number: how many; those of the last day with any, and of the one before it.

    """
    if newest is None:
        return 0
    start = newest // IDS_A_DAY * IDS_A_DAY
    if newest - number >= start:
        return newest - number
    before = connection.execute(select(func.max(observations.c.id)).where(observations.c.id < start)).scalar()
    return start - 1 if before is None else before - (number - (newest - start))


def distance(connection: Connection, above: int, upto: int) -> int:
    """Return how many ids there are: an upper bound of the connections with them.

    Args:
        connection: to the ledger.
        above: the id before the first.
        upto: the last id.

    """
    total = 0
    for _ in range(_DAYS_COUNTED):
        start = upto // IDS_A_DAY * IDS_A_DAY
        if above >= start or upto <= above:
            break
        total += upto - start + 1
        before = connection.execute(select(func.max(observations.c.id)).where(observations.c.id < start)).scalar()
        if before is None:
            return total
        upto = before
    return total + max(0, upto - above)
