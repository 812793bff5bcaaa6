"""Jobs that another job has done on its way: the certificate of a port is shown when its banner is grabbed inside TLS."""

from collections.abc import Sequence

from msgspec.structs import replace
from sqlalchemy import Connection, Integer, Text, and_, text, update

from cobalt_tasks.core.records import Outcome, State, Verdict
from cobalt_tasks.db.bulk import Columns, encode, rows_of
from cobalt_tasks.db.engine import statement_now
from cobalt_tasks.db.tables import ACTIVE, jobs
from cobalt_tasks.jobs import freshness, store

_DETAIL = "seen when the banner was grabbed"

_COLUMNS: Columns = {"kind": Text(), "address": Text(), "protocol": Text(), "port": Integer(), "detail": Text()}


def settle(connection: Connection, outcomes: Sequence[Outcome]) -> None:
    """End the jobs that outcomes settle, and remember that their facts are fresh. One that is running already runs on.

    Args:
        connection: in a transaction that writes.
        outcomes: of jobs that were still ours.

    """
    done = [
        replace(each, job=replace(each.job, kind=kind), verdict=Verdict.DONE, fresh_for=seconds)
        for each in outcomes
        for kind, seconds in each.settles.items()
    ]
    if not done:
        return
    rows = rows_of(connection, "settled", _COLUMNS)
    same = and_(*(jobs.c[column.name] == rows.c[column.name] for column in store.TARGET))
    statement = (
        update(jobs)
        # The states of the index of active jobs are written out, so that it serves.
        .where(same, text(ACTIVE), jobs.c.state.in_([State.PENDING, State.SENT]))
        .values(
            state=State.DONE,
            outcome="open",
            detail=rows.c.detail,
            waits_for=None,
            started_at=statement_now(),
            finished_at=statement_now(),
        )
    )
    given = sorted((each.job.kind, each.job.address, each.job.protocol, each.job.port, _DETAIL) for each in done)
    connection.execute(statement, encode(given))
    freshness.remember(connection, [(each, State.DONE) for each in done])
