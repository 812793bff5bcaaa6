"""What the page and the API show: the ledger now, with the slow counts kept for a moment."""

import time

import msgspec
from msgspec import Struct

from cobalt_tasks.core.errors import DatabaseUnavailableError
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db import schema
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts import connections as traffic
from cobalt_tasks.hosts import stats
from cobalt_tasks.threat import zones
from cobalt_tasks.threat.zones import Zone
from cobalt_tasks.views import status
from cobalt_tasks.views.dashboard import payload
from cobalt_tasks.views.dashboard.cache import RefreshingCache
from cobalt_tasks.views.health import HealthInputs, Ledger, collect, judge, read_ledger

WINDOW_SECONDS = 60.0
STREAMED_CONNECTIONS = 200
_LATEST_CONNECTIONS = 50
_COUNT_SECONDS = 2.0
_COUNT_SHARE = 0.05
_LIVE_SECONDS = 5.0
_STALE_SECONDS = 10.0
_ZONE_SECONDS = 10.0
_ZONE_WINDOW_SECONDS = 900.0
_REMEMBERED_SECONDS = 600.0


class Beats(Struct, frozen=True):
    """What Redis and the workers answered, and when each queue was last seen to have a worker (this process's monotonic clock)."""

    live: status.LiveState
    queues: dict[str, float]


class Live:
    """One process's view of the ledger; every method may be called from any thread."""

    def __init__(self, database: Database, settings: Settings) -> None:
        """Ask nothing yet: `database` may not answer, or have no ledger. `settings`: of this process."""
        self._database = database
        self._has_tables = False
        self._settings = settings
        self._started = time.monotonic()
        self._queues: dict[str, float] = {}
        self._workers: dict[str, tuple[float, status.WorkerState]] = {}
        self._counts = RefreshingCache(
            lambda: status.count(self.database), seconds=_COUNT_SECONDS, stale_for=_STALE_SECONDS, share=_COUNT_SHARE
        )
        self._beats = RefreshingCache(self._ask_live, seconds=_LIVE_SECONDS, stale_for=_STALE_SECONDS)
        self._facts = RefreshingCache(self._find_facts, seconds=1.0)
        self._traffic = RefreshingCache(self._count_traffic, seconds=1.0, stale_for=_STALE_SECONDS, share=_COUNT_SHARE)
        self._zones = RefreshingCache(
            self._find_zones, seconds=_ZONE_SECONDS, stale_for=_ZONE_SECONDS, share=_COUNT_SHARE
        )
        self._data = RefreshingCache(lambda: self.data(STREAMED_CONNECTIONS), seconds=1.0)

    @property
    def database(self) -> Database:
        """The ledger.

        Raises:
            DatabaseUnavailableError: it does not answer, or has no tables.

        """
        schema.require_file(self._database)
        if not self._has_tables:
            schema.require_tables(self._database)
            self._has_tables = True
        return self._database

    def begin(self) -> None:
        """Start to compute what takes longest, before the first request."""
        self._beats.begin()
        self._counts.begin()
        self._zones.begin()

    def close(self) -> None:
        """End the threads and close the connections."""
        for cache in (self._facts, self._counts, self._beats, self._traffic, self._zones, self._data):
            cache.close()
        self._database.dispose()

    def status(self) -> status.SystemStatus:
        """Return the whole status. Counts may be some seconds old.

        Raises:
            DatabaseUnavailableError: the database does not answer.

        """
        verdict = judge(self._facts.value())
        return status.assemble(self.database, self._settings, self._counts.value(), self._beats.value().live, verdict)

    def data(self, limit: int) -> payload.LiveData:
        """Return the answer of /api/data with at most `limit` connections of the last minute.

        Raises:
            DatabaseUnavailableError: the database does not answer.

        """
        state = self.status()
        recent = self._traffic.value()
        since = time.time() - WINDOW_SECONDS
        with self.database.reading() as connection:
            rows = traffic.connections(connection, limit, since=since)
            latest = [] if rows else traffic.connections(connection, _LATEST_CONNECTIONS)
            last_input = stats.last_input(connection)
        if len(rows) < limit:
            # These are all there are: newer than the count that was kept.
            recent = msgspec.structs.replace(recent, connections=len(rows))
        return payload.data(
            status=state,
            recent=recent,
            rows=rows,
            latest=latest,
            health=self._health(last_input)[1],
            uptime=time.monotonic() - self._started,
            last_input_age=_age(last_input),
            zones=self._zones.value(),
        )

    def shared_data(self) -> payload.LiveData:
        """Return the document that all streams share; it is made at most once a second."""
        return self._data.value()

    def figures(self) -> payload.LiveData:
        """Return the document without the lists of connections, which open pages ask for when they show them."""
        return msgspec.structs.replace(self.shared_data(), connections=(), latest_connections=())

    def health(self) -> tuple[bool, payload.Health]:
        """Return whether work can be done at all, and the health of the components."""
        try:
            with self.database.reading() as connection:
                last_input = stats.last_input(connection)
        except DatabaseUnavailableError:
            last_input = None
            self._facts.drop()
        else:
            if self._facts.value().ledger is None:
                self._facts.drop()
        return self._health(last_input)

    def _find_zones(self) -> list[Zone]:
        with self.database.reading() as connection:
            return zones.zones(connection, time.time() - _ZONE_WINDOW_SECONDS)

    def _health(self, last_input: float | None) -> tuple[bool, payload.Health]:
        facts = self._facts.value()
        verdict = judge(facts)
        return verdict.able, payload.health(facts, verdict, _age(last_input))

    def _find_facts(self) -> HealthInputs:
        beats = self._beats.value()
        now = time.monotonic()
        ages = {queue: now - seen for queue, seen in beats.queues.items()}
        live = beats.live
        seen = collect(self._ledger(), self._settings, live.answered, live.trouble)
        return msgspec.structs.replace(seen, queue_ages=ages, watched=now - self._started)

    def _ledger(self) -> Ledger | None:
        try:
            return read_ledger(self.database)
        except DatabaseUnavailableError:
            return None

    def _count_traffic(self) -> stats.Traffic:
        with self.database.reading() as connection:
            return stats.traffic(connection, time.time() - WINDOW_SECONDS)

    def _ask_live(self) -> Beats:
        """Ask Redis and the workers, and keep workers that ended for ten minutes. Called by one thread at a time."""
        live = status.ask_live(self._settings)
        now = time.monotonic()
        answered = {worker.name: (now, worker) for worker in live.workers}
        self._workers = {
            name: (seen, worker)
            for name, (seen, worker) in (self._workers | answered).items()
            if now - seen < _REMEMBERED_SECONDS
        }
        self._queues |= {queue: now for worker in live.workers for queue in worker.queues}
        workers = [
            status.WorkerState(name=name, alive=name in answered, queues=worker.queues)
            for name, (_, worker) in sorted(self._workers.items())
        ]
        return Beats(msgspec.structs.replace(live, workers=workers), dict(self._queues))


def _age(moment: float | None) -> float | None:
    return None if moment is None else max(0.0, time.time() - moment)
