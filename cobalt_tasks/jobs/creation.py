"""Makes jobs: the only INSERT into the table `jobs`. Through the driver, since input makes them by the thousand."""

from collections.abc import Iterable
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection, Dialect, Double, Select, column, literal_column, select, table
from sqlalchemy.dialects import postgresql, sqlite

from cobalt_tasks.core.catalog import KINDS
from cobalt_tasks.core.kinds import Urgency
from cobalt_tasks.core.records import ACTIVE_STATES, NewJob, State
from cobalt_tasks.db import clocks, counts, pg_copy
from cobalt_tasks.db.engine import database_now
from cobalt_tasks.db.tables import ACTIVE, jobs
from cobalt_tasks.jobs import freshness

_MOST_ACTIVE: Final = 10_000
"""Active jobs of a kind with which no fact of that kind is refreshed."""

_LEVELS: Final = {(kind.name, urgency): kind.level(urgency) for kind in KINDS for urgency in Urgency}

_STAGED: Final = {
    "kind": "text",
    "address": "text",
    "protocol": "text",
    "port": "integer",
    "level": "integer",
    "forced": "boolean",
}
_SQLITE_ROW: Final = (
    "(SELECT ?1 AS kind, ?2 AS address, ?3 AS protocol, ?4 AS port, ?5 AS level, ?6 AS forced, "
    f"{database_now().compile(dialect=sqlite.dialect())} AS now)"
)
_POSTGRESQL_ROWS: Final = (
    "(SELECT staged_jobs.*, clock.now FROM staged_jobs CROSS JOIN "
    "(SELECT CAST(extract(epoch FROM clock_timestamp()) AS double precision) AS now) AS clock)"
)
_CREATE: Final = f"""
INSERT INTO jobs (kind, address, protocol, port, level, state, forced, isolated, attempts, not_before, created_at)
SELECT new.kind, new.address, new.protocol, new.port, new.level, '{State.PENDING}', new.forced, FALSE, 0, new.now, new.now
FROM {{rows}} AS new
WHERE new.forced OR NOT {{is_fresh_or_paused}}
ON CONFLICT (kind, address, protocol, port) WHERE {ACTIVE} DO UPDATE SET
    level = CASE WHEN excluded.level < jobs.level THEN excluded.level ELSE jobs.level END,
    not_before = CASE WHEN excluded.not_before < jobs.not_before THEN excluded.not_before ELSE jobs.not_before END,
    forced = jobs.forced OR excluded.forced,
    state = CASE jobs.state WHEN '{State.RUNNING}' THEN '{State.RUNNING}' ELSE '{State.PENDING}' END
WHERE excluded.level < jobs.level
   OR (excluded.forced AND (NOT jobs.forced OR excluded.not_before < jobs.not_before))
"""  # noqa: S608  # words of our own


def create(connection: Connection, new: Iterable[NewJob]) -> int:
    """Make jobs; return how many were made or made more urgent.

    One that is active already keeps the more urgent level, the earlier start and the force flag, and is sent again; one
    that is running keeps running, and has that level if it is retried.
    One whose fact is fresh, or whose target is paused after a failure, is not made unless forced.

    Args:
        connection: a transaction that writes.
        new: the jobs; several for one target count as the most urgent of them, forced if one is.

    """
    best: dict[tuple[str, str, str, int], tuple[int, bool]] = {}
    for job in new:
        key = (job.kind, job.address, job.protocol, job.port)
        level = _LEVELS[job.kind, job.urgency]
        known = best.get(key)
        best[key] = (level, job.forced) if known is None else (min(level, known[0]), job.forced or known[1])
    if not best:
        return 0
    # In the order of the key, so that two transactions never wait for each other.
    rows = [(*key, *value) for key, value in sorted(best.items())]
    steady = clocks.presumed(connection)
    statement = _statement(connection.dialect.name)
    if connection.dialect.name == "postgresql":
        pg_copy.stage(connection, "jobs", _STAGED, rows)
        return connection.exec_driver_sql(statement, {"steady": steady}).rowcount
    with counts.adding(connection, jobs):
        return connection.exec_driver_sql(statement, [(*row, steady) for row in rows]).rowcount


def refresh(connection: Connection, kind: str, limit: int) -> int:
    """Make refresh jobs for facts of a kind that have gone stale; return how many.

    None while many jobs of that kind are active: they would wait behind those, and stale facts that have a job already
    are looked at again each time.

    Args:
        connection: a transaction that writes.
        kind: a name of the catalog.
        limit: the most jobs to make.

    """
    counted = counts.jobs_by_kind_and_state(connection)
    if sum(counted.get((kind, state), 0) for state in ACTIVE_STATES) >= _MOST_ACTIVE:
        return 0
    stale = connection.execute(freshness.stale(kind, limit, clocks.presumed(connection))).all()
    return create(
        connection,
        [
            NewJob(kind=kind, address=row.address, protocol=row.protocol, port=row.port, urgency=Urgency.REFRESH)
            for row in stale
        ],
    )


@cache
def _statement(dialect: str) -> str:
    """Return the statement for a dialect; the driver puts the steady clock where `steady_now` stands."""
    new = table("new", *(column(name) for name in ("kind", "address", "protocol", "port")))
    test = freshness.is_fresh_or_paused(new, literal_column("steady_now", Double()))
    language: Dialect = (sqlite if dialect == "sqlite" else postgresql).dialect()
    # As a part of a whole statement, so that `new` is the table outside.
    whole: Select[Any] = select(literal_column("1")).select_from(new).where(test)
    text = str(whole.compile(dialect=language, compile_kwargs={"literal_binds": True})).partition("WHERE ")[2]
    rows, steady = (_SQLITE_ROW, "?7") if dialect == "sqlite" else (_POSTGRESQL_ROWS, "%(steady)s::double precision")
    return _CREATE.format(rows=rows, is_fresh_or_paused=text.replace("steady_now", steady))
