"""How fast probes open connections, all workers together: one row holds when the next one may be opened.

A worker reserves a few moments at a time. Those of a worker that is killed are lost, and nothing has to be given back.
"""

from typing import Final

from sqlalchemy import Connection, literal

from cobalt_tasks.db import clocks
from cobalt_tasks.db.bulk import earlier, insert_into, later
from cobalt_tasks.db.tables import quotas

_ROW: Final = {"provider": "probes", "window": 0.0}
"""Among the quotas of providers: their times go by the same clock."""

AHEAD_SECONDS: Final = 1.0
"""How far ahead moments are reserved at most."""


def reserve(connection: Connection, rate: float, wanted: int) -> float:
    """Reserve moments for connections, one after the other, and return how many seconds lie before the first.

    Args:
        connection: in a transaction that writes.
        rate: connections in a second, above 0.
        wanted: how many moments, `1 / rate` seconds apart.

    """
    now = clocks.estimate(connection)
    insert = insert_into(connection, quotas).values(
        **_ROW, calls=0, used=0, started_at=now, resets_at=now + wanted / rate
    )
    # Never far ahead, also after the clock was stepped.
    free_from = later(literal(now), earlier(quotas.c.resets_at, literal(now + AHEAD_SECONDS)))
    statement = insert.on_conflict_do_update(
        index_elements=list(_ROW), set_={"resets_at": free_from + wanted / rate}
    ).returning(quotas.c.resets_at)
    return max(0.0, float(connection.execute(statement).scalar_one()) - wanted / rate - now)
