"""Which scores are still made from the first facts of a host: that one of these crosses a step is no change.

The first facts are what was found until scoring had read everything once, and what the jobs found that were made before the
first score, or by such a job. They end after a day, since a busy ledger is never read to its end.
"""

import math
from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, select

from cobalt_tasks.core.durations import DAY
from cobalt_tasks.db import cursors
from cobalt_tasks.db.bulk import one_of
from cobalt_tasks.db.engine import database_now
from cobalt_tasks.db.tables import jobs
from cobalt_tasks.threat import unscored
from cobalt_tasks.threat.store import Score

_ALL_READ: Final = "findings: all read"
"""The cursor: when scoring had read everything, last."""

_NEXT_JOB_SECONDS: Final = 1.0
"""A job that is made so long after the end of another may come from it: the two times are of different clocks."""


def mark_if_all_is_read(connection: Connection) -> None:
    """Note the time, if there is nothing that scoring has not read."""
    lag = unscored.lag(connection)
    if not lag.observations and not lag.seconds:
        cursors.move_to_moment(connection, _ALL_READ, connection.execute(select(database_now())).scalar_one())


def incomplete(connection: Connection, scores: Sequence[Score], now: float) -> set[str]:
    """Return the hosts of which the first facts were still coming in when their score was stored.

    connection: to the ledger; scores: the stored scores; now: epoch seconds.
    """
    first = {each.address: each.first_scored_at for each in scores if (each.first_scored_at or 0.0) > now - DAY}
    if not first:
        return set()
    all_read, ended = cursors.moment(connection, _ALL_READ), cursors.moment(connection, unscored.ENDED)
    until = {address: at for address, at in first.items() if at is not None}
    theirs = select(jobs.c.address, jobs.c.created_at, jobs.c.finished_at)
    chosen = theirs.where(one_of(connection, jobs.c.address, sorted(until))).order_by(jobs.c.created_at)
    waiting = {address for address, at in until.items() if at > all_read}
    for address, created_at, finished_at in connection.execute(chosen):
        if created_at <= until[address] + _NEXT_JOB_SECONDS:
            end = math.inf if finished_at is None else finished_at
            until[address] = max(until[address], end)
            if end > ended:
                waiting.add(address)
    return waiting
