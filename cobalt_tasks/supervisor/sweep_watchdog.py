"""Notices that no work is done: beat, Redis, a worker and the ledger together run one sweep every few seconds."""

import time
from collections.abc import Callable, Sequence

from msgspec import Struct

from cobalt_tasks.core.catalog import POOLS
from cobalt_tasks.core.errors import BrokerUnavailableError, DatabaseUnavailableError
from cobalt_tasks.core.kinds import CONTROL_QUEUE
from cobalt_tasks.db import locks
from cobalt_tasks.db.engine import Database
from cobalt_tasks.jobs import backlog
from cobalt_tasks.jobs.broker import Broker

_LOOK_SECONDS = 5.0
_LATE_SECONDS = 20.0
_LOST_SECONDS = 40.0
"""A worker starts slowly on a busy machine, and batches may keep all processes of a pool busy for a while."""


class SweepWatchdog:
    """Looks for sweeps. While Redis or the database does not answer, a missing sweep does not count."""

    def __init__(self, database: Database, broker: Broker, clock: Callable[[], float] = time.monotonic) -> None:
        """Start the timer.

        database: the ledger; broker: Redis; clock: returns seconds of a monotonic clock.
        """
        self._database = database
        self._broker = broker
        self._clock = clock
        self._well_at = clock()
        self._looked_at = clock()

    def has_stalled(self) -> bool:
        """Return True if no sweep finished for a minute while broker and database answered. Resets the timer then.

        It looks at most every few seconds; between two looks it returns False.
        """
        now = self._clock()
        if now - self._looked_at < _LOOK_SECONDS:
            return False
        # A look long after the last one means that this process was paused, and perhaps the others too.
        was_paused = now - self._looked_at > _LATE_SECONDS
        self._looked_at = now
        if was_paused or self._is_excused():
            self._well_at = now
        if now - self._well_at < _LOST_SECONDS:
            return False
        self._well_at = now
        return True

    def _is_excused(self) -> bool:
        try:
            self._broker.ping()
            return self._is_done()
        except (BrokerUnavailableError, DatabaseUnavailableError):
            return True

    def _is_done(self) -> bool:
        with self._database.reading() as connection:
            age = locks.last_taken(connection, "sweep")
        return age is not None and age < _LATE_SECONDS


class PoolWatchdog(SweepWatchdog):
    """Looks for due jobs of one pool's kinds while no such job finishes."""

    def __init__(
        self, kinds: Sequence[str], database: Database, broker: Broker, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Start the timer. `kinds`: those of the pool; `database`, `broker`, `clock`: as in SweepWatchdog."""
        super().__init__(database, broker, clock)
        self._kinds = kinds

    def _is_done(self) -> bool:
        with self._database.reading() as connection:
            found = backlog.find(connection, _LATE_SECONDS)
        of_pool = [found[kind] for kind in self._kinds]
        is_late = any(each.due_seconds is not None and each.due_seconds > _LATE_SECONDS for each in of_pool)
        return not is_late or any(each.finished for each in of_pool)


class Watched(Struct, frozen=True):
    """Children that are started again when their watchdog reports a stall, and the words for it."""

    children: Sequence[str]
    trouble: str
    watchdog: SweepWatchdog


def watched(database: Database, broker: Broker) -> list[Watched]:
    """Return what `cobalt up` watches: the sweep, and the work of each pool, in `database` and through `broker`."""
    found = [Watched((CONTROL_QUEUE, "beat"), "no sweep is being done", SweepWatchdog(database, broker))]
    for pool, queues in POOLS.items():
        if pool != CONTROL_QUEUE:
            found.append(Watched((pool,), f"no {pool} job gets done", PoolWatchdog(queues, database, broker)))
    return found
