"""Tells whether work is being done at all: beat, Redis, a worker and the ledger together make one sweep every few seconds."""

import time
from collections.abc import Callable

from cobalt_tasks.broker import Broker
from cobalt_tasks.errors import BrokerUnavailableError, DatabaseUnavailableError
from cobalt_tasks.storage import locks
from cobalt_tasks.storage.engine import Database

_LOOK_SECONDS = 5.0
_LATE_SECONDS = 20.0
_LOST_SECONDS = 40.0
"""A worker that starts on a busy machine takes its time; and batches may keep a whole pool from a sweep for a while."""


class Pulse:
    """Looks for sweeps. While Redis or the database is away there can be none, and nobody is to blame."""

    def __init__(self, database: Database, broker: Broker, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin well."""
        self._database = database
        self._broker = broker
        self._clock = clock
        self._well_at = clock()
        self._looked_at = clock()

    def is_lost(self) -> bool:
        """Look, not too often; tell whether no sweep was done for a minute (the two times together) though it could have been. Then begin anew."""
        now = self._clock()
        if now - self._looked_at < _LOOK_SECONDS:
            return False
        # A look long after the last means that this process was paused, and the others perhaps too.
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
            with self._database.reading() as connection:
                age = locks.last_taken(connection, "sweep")
        except (BrokerUnavailableError, DatabaseUnavailableError):
            return True
        return age is not None and age < _LATE_SECONDS
