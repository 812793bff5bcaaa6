"""Strict priority, on one real worker that takes from all queues: what is more urgent is started next."""

import os
import signal
import socketserver
import statistics
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import func, select

from cobalt_tasks.core import settings as environment
from cobalt_tasks.core.catalog import BY_NAME, LEVELS
from cobalt_tasks.core.kinds import Urgency
from cobalt_tasks.core.records import NewJob
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.schema import open_ledger
from cobalt_tasks.db.tables import hostnames
from cobalt_tasks.db.tables import jobs as table
from cobalt_tasks.hosts import stats
from cobalt_tasks.jobs import creation
from cobalt_tasks.jobs.broker import QUEUES
from cobalt_tasks.jobs.dispatcher import Dispatcher
from tests.support import extra_kinds
from tests.support.waiting import PATIENCE, wait_until

FLOOD = 50_000
REQUESTS = 6
MESSAGES_OF_A_LEVEL = 3
CLOSED_PORT = 1
ROOT = Path(__file__).parents[2]


class NoName(socketserver.BaseRequestHandler):
    """A DNS server that knows no name (RFC 1035: the question back, as an answer with code 3)."""

    def handle(self) -> None:
        """Answer one datagram."""
        question, own = self.request
        own.sendto(question[:2] + b"\x81\x83" + question[4:], self.client_address)


@pytest.fixture
def resolver() -> Iterator[str]:
    """The address and port of a DNS server."""
    with socketserver.UDPServer(("127.0.0.1", 0), NoName) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture
def database(
    database_url: str,
    home: Path,
    redis_url: str,
    resolver: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Database]:
    """An empty ledger, on each database, as a worker finds it. Nothing that is done here leaves this machine."""
    monkeypatch.setenv("COBALT_DATABASE_URL", database_url)
    monkeypatch.setenv("COBALT_GEO_PROVIDERS", "mmdb")
    monkeypatch.setenv("COBALT_RESOLVERS", resolver)
    opened = open_ledger(environment.load())
    yield opened
    opened.dispose()


@pytest.fixture
def dispatcher(database: Database) -> Dispatcher:
    """A producer beside the worker."""
    return Dispatcher(database, environment.load())


@contextmanager
def worker(home: Path, concurrency: int, queues: Sequence[str] = QUEUES) -> Iterator[None]:
    """A worker of all queues, as `cobalt up` starts it, in a process group that ends with the block."""
    command = [sys.executable, "-m", "celery", "-A", "cobalt_tasks", "worker", "-Q", ",".join(queues)]
    with (home / "worker.log").open("w") as log:
        process = subprocess.Popen(
            [*command, "-c", str(concurrency), "-l", "INFO"],
            env=dict(os.environ),
            cwd=home,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)


def wait_for(holds: Callable[[], object], home: Path) -> None:
    """Wait until something holds; fail with the worker's log."""
    wait_until(holds, seen=(home / "worker.log").read_text, every=0.02)


def count_started(database: Database, kind: str) -> int:
    """How many jobs of a kind were ever started."""
    with database.reading() as connection:
        query = select(func.count()).where(table.c.kind == kind, table.c.started_at.is_not(None))
        return connection.execute(query).scalar_one()


def started(database: Database) -> list[tuple[float, str, int]]:
    """Start, kind and level of every job that was ever started, in that order."""
    with database.reading() as connection:
        query = select(table.c.started_at, table.c.kind, table.c.level).where(table.c.started_at.is_not(None))
        return [tuple(row) for row in connection.execute(query.order_by(table.c.started_at, table.c.id))]


def found_names(database: Database) -> set[str]:
    """The host names in the ledger."""
    with database.reading() as connection:
        return set(connection.execute(select(hostnames.c.name)).scalars())


@pytest.mark.parametrize("concurrency", [1, pytest.param(2, marks=pytest.mark.long)])
def test_one_banner_is_started_next_whatever_waits(
    database: Database,
    dispatcher: Dispatcher,
    home: Path,
    concurrency: int,
) -> None:
    """Under 50,000 geolocation jobs an interactive banner job is started next: after its message was sent, each pool
    process claims at most the one batch it holds already, and nothing else: invariant 4 of docs/architecture.md.

    Break: worker_prefetch_multiplier or task_acks_late in celeryconfig.py (batches that were fetched ahead go first),
    8 for 0 in Kind.level (the request goes to the end), or Dispatcher.record_throughput in workers/tasks.py (batches do not grow).
    """
    for first in range(0, FLOOD, 10_000):
        flood = [
            NewJob(kind="geolocation", address=f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
            for number in range(first, first + 10_000)
        ]
        database.write(creation.create, flood)
    dispatcher.dispatch(["geolocation"])
    waits = []
    with worker(home, concurrency):
        wait_for(lambda: count_started(database, "geolocation") > 10_000, home)
        for number in range(1, REQUESTS + 1):
            database.write(creation.create, [request(number)])
            dispatcher.dispatch(["banner"])
            with database.reading() as connection:
                waits.append(stats.now(connection))
            wait_for(lambda number=number: count_started(database, "banner") == number, home)
    order = started(database)
    assert len(order) < FLOOD, "the flood was over before the requests came"
    begun = [at for at, kind, _ in order if kind == "banner"]
    # One claim gives all its jobs the same start.
    overtaking = [len({at for at, *_ in order if sent < at < own}) for sent, own in zip(waits, begun, strict=True)]
    # On SQLite the claim of a message that was taken may wait for another process, which goes on meanwhile.
    assert statistics.median(overtaking) <= concurrency
    if concurrency == 1:
        # At most the message the process took just then. Was another fetched ahead, every request waits for that.
        assert sum(overtaking) <= REQUESTS // 2
    # Quick jobs travel in batches that have grown by then, and are still short: what a request waits for.
    kind = BY_NAME["geolocation"]
    sizes = Counter(at for at, name, _ in order if name == kind.name)
    assert kind.batch < max(sizes.values()) <= kind.most


def request(number: int) -> NewJob:
    """Somebody wants a banner now."""
    address = f"127.0.0.{number}"
    urgent = {"urgency": Urgency.INTERACTIVE, "forced": True}
    return NewJob(kind="banner", address=address, protocol="tcp", port=CLOSED_PORT, **urgent)


def test_six_kinds_are_started_in_strict_order(database: Database, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several messages of every kind and urgency wait in Redis, sent in any order, two of the kinds from another package:
    a worker starts the smallest level first, over all queues, and of one level the kinds in the catalog's order, whatever
    the order of -Q: invariant 4.

    Break: priority_steps in celeryconfig.py (Celery's default folds 0, 1 and 2 into one), the min() in Kind.level (ordinary
    jobs of the sixth kind have the level of a refresh), or CarefulChannel._update_queue_cycle.
    """
    monkeypatch.setenv("PYTHONPATH", str(extra_kinds.install(home / "site")))
    command = [sys.executable, "-m", "tests.support.extra_kinds", str(MESSAGES_OF_A_LEVEL)]
    kinds = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert kinds == ["banner", "domain", "geolocation", "certificate", "aa_first", "a_second"]
    count = len(kinds) * len(Urgency) * MESSAGES_OF_A_LEVEL
    with worker(home, 1, sorted(kinds)):
        wait_for(lambda: len(started(database)) == count, home)
        wait_for(lambda: found_names(database) == {"aa_first.example", "a_second.example"}, home)
    order = [(level, kinds.index(kind)) for _, kind, level in started(database)]
    assert order == sorted(order)
    assert {level for level, _ in order} == set(LEVELS)
