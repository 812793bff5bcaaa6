"""The state of everything in one document: what `cobalt status --json` prints and /api/status answers.

Its keys stay; new ones may be added.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from msgspec import Struct

from cobalt_tasks.core.catalog import KINDS
from cobalt_tasks.core.errors import BrokerUnavailableError, GeodbError
from cobalt_tasks.core.records import State
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db.engine import Database
from cobalt_tasks.geolocation.local import manifest
from cobalt_tasks.hosts import stats
from cobalt_tasks.hosts.certificates import Expiries, expiries
from cobalt_tasks.hosts.recent import RecentFacts, recent
from cobalt_tasks.ingest.streams import leftover
from cobalt_tasks.ingest.streams.leftover import Leftover
from cobalt_tasks.jobs.broker import Broker, Worker
from cobalt_tasks.threat import unscored
from cobalt_tasks.views import health
from cobalt_tasks.views.health import HealthReport

_SOURCES_SHOWN = 100
_REJECTS_SHOWN = 10
_LATEST_SHOWN = 15


class Queue(Struct, frozen=True, kw_only=True):
    """One kind's queue. `messages` wait in Redis (None: it does not answer), `jobs` in the ledger, sent or not.

    One message carries many jobs. `oldest_seconds` is how long the first job has been due; `started_per_minute` and
    `finished_per_minute` are of the last minute; `minutes_behind` is jobs by that pace; when nothing
    finished, how long the first has been due.
    """

    messages: int | None
    jobs: int
    oldest_seconds: float | None
    started_per_minute: int
    finished_per_minute: int
    minutes_behind: float


class WorkerState(Struct, frozen=True, kw_only=True):
    """A worker, whether it answered just now, and the queues it takes from."""

    name: str
    alive: bool
    queues: Sequence[str]


class LiveState(Struct, frozen=True, kw_only=True):
    """What Redis and the workers answered. `trouble` is why the broker does not answer; `answered` are the workers that did."""

    messages: dict[str, int] | None
    workers: Sequence[WorkerState]
    answered: Sequence[Worker] = ()
    trouble: str | None = None


class Counts(Struct, frozen=True, kw_only=True):
    """The part of the status that is slow to count in a large ledger."""

    totals: stats.LedgerCounts
    jobs: dict[str, dict[str, int]]
    geolocation: stats.Coverage
    countries: int
    expiries: Expiries
    oldest_seconds: dict[str, float | None]


class Geodb(Struct, frozen=True, kw_only=True):
    """A local geolocation database of this machine; its licence may ask for the attribution to be shown."""

    role: str
    title: str
    licence: str
    attribution: str | None
    built: float
    age_days: float
    old: bool


class SystemStatus(Struct, frozen=True, kw_only=True):
    """The state of everything. Times are epoch seconds."""

    at: float
    health: HealthReport
    sources: Sequence[stats.SourceCounts]
    ledger: dict[str, int]
    connections: int
    hosts: int
    ports: int
    domains: int
    certificates: int
    certificates_expired: int
    certificates_expiring: int
    jobs: dict[str, dict[str, int]]
    queues: dict[str, Queue]
    geolocation: stats.Coverage
    scoring: unscored.Lag
    countries: int
    providers: dict[str, stats.ProviderState]
    workers: Sequence[WorkerState]
    broker: str | None
    rejects: Sequence[dict[str, object]]
    geodb: Sequence[Geodb]
    geodb_trouble: str | None
    latest: RecentFacts
    journals: Sequence[Leftover]


def collect(database: Database, settings: Settings) -> SystemStatus:
    """Ask the ledger, Redis and the workers; a broker that does not answer is part of the result.

    database: the ledger; settings: of this process.

    Raises:
        DatabaseUnavailableError: the database does not answer.

    """
    # Workers answer while the ledger is read: one that does not is waited for.
    with ThreadPoolExecutor(1, thread_name_prefix="live") as thread:
        asked = thread.submit(ask_live, settings, wait_for_all=False)
        ledger, counts = health.read_ledger(database), count(database)
    live = asked.result()
    facts = health.collect(ledger, settings, live.answered, live.trouble)
    return assemble(database, settings, counts, live, health.judge(facts))


def count(database: Database) -> Counts:
    """Count what is slow to count."""
    with database.reading() as connection:
        return Counts(
            totals=stats.totals(connection),
            jobs=stats.jobs_by_kind(connection),
            geolocation=stats.coverage(connection),
            countries=stats.countries(connection),
            expiries=expiries(connection),
            oldest_seconds=stats.oldest_waiting(connection),
        )


def assemble(
    database: Database, settings: Settings, counts: Counts, live: LiveState, verdict: HealthReport
) -> SystemStatus:
    """Put the parts together with what is fast to ask.

    Args:
        database: the ledger.
        settings: of this process.
        counts: of what is slow to count, perhaps some seconds old.
        live: what Redis and the workers answered.
        verdict: whether work gets done.

    """
    databases, trouble = _geodb(settings)
    with database.reading() as connection:
        pace = stats.throughput(connection)
        return SystemStatus(
            at=time.time(),
            health=verdict,
            sources=stats.source_ledgers(connection, _SOURCES_SHOWN),
            ledger=stats.ledger_sum(connection),
            connections=counts.totals.connections,
            hosts=counts.totals.hosts,
            ports=counts.totals.ports,
            domains=counts.totals.domains,
            certificates=counts.totals.certificates,
            certificates_expired=counts.expiries.expired,
            certificates_expiring=counts.expiries.soon,
            jobs=counts.jobs,
            queues={kind.name: _queue(kind.name, counts, live, pace[kind.name]) for kind in KINDS},
            geolocation=counts.geolocation,
            scoring=unscored.lag(connection),
            countries=counts.countries,
            providers=stats.providers(connection, settings.usable_providers),
            workers=live.workers,
            broker=live.trouble,
            rejects=stats.last_rejects(connection, _REJECTS_SHOWN),
            geodb=databases,
            geodb_trouble=trouble,
            latest=recent(connection, _LATEST_SHOWN),
            journals=leftover.find(settings.journal_folder),
        )


def ask_live(settings: Settings, *, wait_for_all: bool = True) -> LiveState:
    """Ask Redis for its queues, and every worker for an answer.

    settings: of this process.
    wait_for_all: wait a second for workers that Redis does not know of, too.
    """
    with closing(Broker(settings)) as broker:
        try:
            answered = broker.workers(wait_for_all=wait_for_all)
            workers = [WorkerState(name=each.name, alive=True, queues=each.queues) for each in answered]
            return LiveState(messages=broker.depths(), workers=workers, answered=answered)
        except BrokerUnavailableError as error:
            return LiveState(messages=None, workers=(), trouble=str(error))


def _geodb(settings: Settings) -> tuple[list[Geodb], str | None]:
    try:
        installed = manifest.load(settings.geodb_folder).databases
    except GeodbError as error:
        return [], str(error)
    return [
        Geodb(
            role=each.role,
            title=each.title,
            licence=each.source.licence,
            attribution=each.source.attribution,
            built=each.built,
            age_days=each.age_days(),
            old=each.is_old(),
        )
        for each in installed
    ], None


def _queue(kind: str, counts: Counts, live: LiveState, pace: stats.Throughput) -> Queue:
    states = counts.jobs[kind]
    waiting = states[State.PENDING] + states[State.SENT]
    return Queue(
        messages=None if live.messages is None else live.messages[kind],
        jobs=waiting,
        oldest_seconds=counts.oldest_seconds[kind],
        started_per_minute=pace.started,
        finished_per_minute=pace.finished,
        minutes_behind=waiting / pace.finished if pace.finished else (counts.oldest_seconds[kind] or 0.0) / 60,
    )
