"""Jobs by the thousand, as input makes them: ordinary, never forced. The same as `jobs.create`, by the driver.

A test holds the two against each other.
"""

import time
from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection

from cobalt_tasks.core.catalog import BY_NAME
from cobalt_tasks.core.kinds import Urgency
from cobalt_tasks.core.records import NewJob, State
from cobalt_tasks.db import clocks, counts
from cobalt_tasks.db import pg_copy as driver
from cobalt_tasks.db.tables import ACTIVE, jobs

_COLUMNS: Final = "kind, address, protocol, port, level, state, forced, isolated, attempts, not_before, created_at"
_CONFLICT: Final = f"""
ON CONFLICT (kind, address, protocol, port) WHERE {ACTIVE} DO UPDATE SET level = excluded.level,
    state = CASE jobs.state WHEN '{State.RUNNING}' THEN '{State.RUNNING}' ELSE '{State.PENDING}' END,
    not_before = CASE WHEN excluded.not_before < jobs.not_before THEN excluded.not_before ELSE jobs.not_before END
WHERE excluded.level < jobs.level
"""
_SQLITE: Final = f"""
INSERT INTO jobs ({_COLUMNS})
SELECT ?1, ?2, ?3, ?4, ?5, '{State.PENDING}', FALSE, FALSE, 0, ?6, ?6
WHERE NOT EXISTS (
    SELECT 1 FROM freshness
    WHERE kind = ?1 AND address = ?2 AND protocol = ?3 AND port = ?4 AND (fresh_until > ?7 OR paused_until > ?7)
)
{_CONFLICT}
"""  # noqa: S608  # words of our own
_POSTGRESQL: Final = f"""
INSERT INTO jobs ({_COLUMNS})
SELECT new.kind, new.address, new.protocol, new.port, new.level, '{State.PENDING}', FALSE, FALSE, 0, clock.now, clock.now
FROM staged_jobs AS new CROSS JOIN (SELECT CAST(extract(epoch FROM clock_timestamp()) AS double precision) AS now) AS clock
WHERE NOT EXISTS (
    SELECT 1 FROM freshness AS known
    WHERE known.kind = new.kind AND known.address = new.address AND known.protocol = new.protocol
      AND known.port = new.port AND (known.fresh_until > %(steady)s OR known.paused_until > %(steady)s)
)
{_CONFLICT}
"""  # noqa: S608
_STAGED: Final = {"kind": "text", "address": "text", "protocol": "text", "port": "integer", "level": "integer"}


def create(connection: Connection, new: Sequence[NewJob]) -> None:
    """Make ordinary jobs, unless their fact is fresh, their target is paused, or one like it is active."""
    if not new:
        return
    levels = {name: kind.level(Urgency.ORDINARY) for name, kind in BY_NAME.items()}
    steady = clocks.presumed(connection)
    keys = sorted({(job.kind, job.address, job.protocol, job.port) for job in new})
    if connection.dialect.name == "postgresql":
        driver.stage(connection, "jobs", _STAGED, [(*key, levels[key[0]]) for key in keys])
        connection.exec_driver_sql(_POSTGRESQL, {"steady": steady})
    else:
        # SQLite is on this machine: its clock is ours.
        now = time.time()
        with counts.adding(connection, jobs):
            connection.exec_driver_sql(_SQLITE, [(*key, levels[key[0]], now, steady) for key in keys])
