"""Clocks are stepped under real processes: budgets, locks, sweeps and claims go on."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import Self

import psycopg
import pytest
import redis
from msgspec import Struct

from cobalt_tasks.chaos.stepping import SteppedClock
from cobalt_tasks.core.durations import DAY, HOUR, MINUTE
from cobalt_tasks.core.kinds import CONTROL_QUEUE
from cobalt_tasks.core.records import NewJob
from cobalt_tasks.core.settings import load
from cobalt_tasks.db import schema
from cobalt_tasks.jobs import creation
from cobalt_tasks.jobs.broker import Broker
from tests.conftest import running_postgres
from tests.integration.workers.conftest import Ledger, opened
from tests.support.worker import ROOT, Worker

WINDOW = 4.0
PATIENCE = 120
NAMES = ("sqlite", "postgresql")
STEPS = (-HOUR, pytest.param(DAY, marks=pytest.mark.long))


class Stepped(Struct):
    """A ledger, the clock it goes by, and what its processes are started with."""

    url: str
    clock: SteppedClock
    environment: dict[str, str]


@pytest.fixture(scope="module")
def clock() -> Iterator[SteppedClock]:
    """A clock that tests step."""
    # PostgreSQL does not run as root, and must read the file.
    folder = Path(mkdtemp(prefix="cobalt-clock-"))
    folder.chmod(0o755)
    yield SteppedClock(folder / "clock")
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def stepped_postgres(clock: SteppedClock) -> Iterator[str]:
    """A PostgreSQL that goes by it; the URL of its maintenance database."""
    clock.step(0.0)
    with running_postgres(clock.environment) as url:
        yield url


@pytest.fixture(params=NAMES)
def stepped(
    request: pytest.FixtureRequest, tmp_path: Path, home: Path, clock: SteppedClock, monkeypatch: pytest.MonkeyPatch
) -> Stepped:
    """A ledger whose clock the test steps: the server's, or that of the processes that open the file."""
    clock.step(0.0)
    if request.param == "postgresql":
        server = request.getfixturevalue("stepped_postgres")
        name = f"stepped_{time.monotonic_ns()}"
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        found = Stepped(server.rsplit("/", 1)[0] + f"/{name}", clock, {})
    else:
        found = Stepped(f"sqlite:///{tmp_path / 'cobalt.db'}", clock, clock.environment)
    monkeypatch.setenv("COBALT_DATABASE_URL", found.url)
    schema.open_ledger(load()).dispose()
    return found


class Process:
    """Asks a ledger from a process of its own; each question is one word."""

    def __init__(self, stepped: Stepped) -> None:
        """Start it, under the ledger's clock."""
        command = [sys.executable, "-m", "tests.support.stepped_quota", stepped.url, str(WINDOW)]
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **stepped.environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, word: str) -> bool:
        """Return its answer."""
        assert self._process.stdin
        assert self._process.stdout
        print(word, file=self._process.stdin, flush=True)
        return bool(int(self._process.stdout.readline()))

    def __enter__(self) -> Self:
        """Use it."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


@pytest.mark.parametrize("step", STEPS)
def test_a_step_grants_no_budget_early_and_keeps_none_for_long(stepped: Stepped, step: float) -> None:
    """A window's calls are used up when the clock is stepped: the next come after its length, and within twice that.

    Break: let budgets.reserve go by the database's clock.
    """
    with Process(stepped) as asks:
        assert asks.ask("look")
        began = time.monotonic()
        assert [asks.ask("reserve") for _ in range(4)] == [True, True, True, False]
        stepped.clock.step(step)
        # Before any sweep has seen it, and after.
        granted = [asks.ask("reserve")]
        asks.ask("look")
        granted.append(asks.ask("reserve"))
        if time.monotonic() - began < WINDOW:
            assert granted == [False, False]
        while not asks.ask("reserve"):
            assert time.monotonic() - began < 2 * WINDOW + 10
            asks.ask("look")
            time.sleep(0.1)
        assert time.monotonic() - began >= WINDOW


@pytest.mark.parametrize("step", STEPS)
def test_a_lock_that_lies_ahead_is_over(stepped: Stepped, step: float) -> None:
    """A lock taken before the clock was stepped back holds no longer than its length. Break: locks.take."""
    with Process(stepped) as asks:
        assert asks.ask("lock")
        stepped.clock.step(step)
        assert asks.ask("lock")
        assert not asks.ask("lock")


def test_nothing_that_cannot_be_undone_follows_a_large_step(stepped: Stepped) -> None:
    """After a step of a day the clock is not trusted, until an hour has passed: nothing is pruned or refreshed."""
    with Process(stepped) as asks:
        assert asks.ask("look")
        stepped.clock.step(5)
        assert asks.ask("look")
        stepped.clock.step(DAY)
        assert not asks.ask("look")
        assert not asks.ask("look")


def test_a_step_lets_nothing_be_looked_up_again(stepped: Stepped) -> None:
    """A name that was found is good for a day, one that was not is left alone for an hour, whatever the clock does.

    Break: let freshness go by the database's clock, or let clock_repair cut facts off by it.
    """
    with Process(stepped) as asks:
        asks.ask("look")
        assert asks.ask("work")
        for step in (DAY, 0.0, -DAY, 0.0, HOUR):
            stepped.clock.step(step)
            # Before any sweep has seen it, and after.
            assert not asks.ask("work")
            asks.ask("look")
            assert not asks.ask("work")


@pytest.mark.parametrize("put_back", ["wait", "retry"])
def test_a_pause_that_began_by_a_clock_ahead_ends_in_time(stepped: Stepped, put_back: str) -> None:
    """A job is begun, the clock goes on by a day, the job is put back, and the clock returns: its pause is what it was.

    Break: sent_at in jobs.finish or job_admin.retry, or what clock_repair.mend makes of it.
    """
    with Process(stepped) as asks:
        asks.ask("ask")
        asks.ask("look")
        assert asks.ask("take")
        stepped.clock.step(DAY)
        asks.ask("look")
        asks.ask(put_back)
        stepped.clock.step(0.0)
        assert not asks.ask("due")
        asks.ask("look")
        assert asks.ask("due")


def test_a_step_that_no_sweep_saw_delays_no_job(stepped: Stepped) -> None:
    """The clock goes on by a day and returns between two sweeps: what was made meanwhile is due all the same.

    Break: is_doubted in clocks.observe or in sweep.look_at_clock.
    """
    with Process(stepped) as asks:
        asks.ask("look")
        stepped.clock.step(DAY)
        asks.ask("ask")
        stepped.clock.step(0.0)
        assert not asks.ask("due")
        asks.ask("look")
        assert asks.ask("due")


class Beat:
    """Celery's beat as the program runs it."""

    def __init__(self, folder: Path, **changes: str) -> None:
        """Start it."""
        command = [sys.executable, "-m", "celery", "-A", "cobalt_tasks", "beat", "--pidfile=", "-l", "INFO"]
        with (folder / "beat.log").open("ab") as output:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env={**os.environ, **changes}, stdout=output, stderr=subprocess.STDOUT
            )

    def kill(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


def waiting() -> int:
    """Return how many sweeps wait."""
    return sum(Broker(load()).depth_by_level(CONTROL_QUEUE).values())


def wait_for_sweep(seconds: float = PATIENCE) -> None:
    """Wait until one waits."""
    deadline = time.monotonic() + seconds
    while not waiting():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_beat_goes_on_when_the_clock_is_stepped(home: Path, redis_url: str) -> None:
    """Back an hour and forth a day, a sweep is sent within seconds; it leaves no file behind that could be damaged.

    Break: beat_scheduler in celeryconfig.
    """
    clock = SteppedClock(home / "clock")
    client = redis.Redis.from_url(redis_url)
    before = set(home.iterdir())
    beat = Beat(home, **clock.environment)
    try:
        for step in (0.0, -HOUR, DAY, -DAY):
            clock.step(step)
            client.delete(CONTROL_QUEUE)
            wait_for_sweep()
        # No worker takes them: they do not pile up.
        time.sleep(8)
        assert waiting() == 1
    finally:
        beat.kill()
        client.close()
    assert {file.name for file in set(home.iterdir()) - before} <= {"beat.log"}


@pytest.fixture
def start(home: Path) -> Iterator[Callable[..., Worker]]:
    """Starts workers."""
    started: list[Worker] = []

    def go(**changes: str) -> Worker:
        started.append(
            Worker(
                home, "-c", "2", "-I", "tests.support.probes", name=f"worker{len(started)}", TEST_LEASE="4", **changes
            )
        )
        return started[-1]

    yield go
    for worker in started:
        worker.kill()


@pytest.mark.parametrize("step", STEPS)
def test_jobs_end_soon_after_a_step(
    stepped: Stepped,
    step: float,
    redis_url: str,
    home: Path,
    start: Callable[..., Worker],
) -> None:
    """The clock is stepped with jobs waiting and running, and the worker that runs them dies: all are final soon.

    Break: clock_repair.mend in sweep.look_at_clock, or let leases go by the database's clock.
    """
    with opened() as ours:
        first = start(**stepped.environment)
        beat = Beat(home, **stepped.environment)
        try:
            ours.ask(
                *(NewJob(kind="domain", address=f"127.40.{number}.{5 if number < 4 else 9}") for number in range(80))
            )
            ours.wait(lambda rows: any(row["state"] == "running" for row in rows.values()), 30, sweeping=False)
            stepped.clock.step(step)
            first.kill()
            start(**stepped.environment)
            # Seconds, on a quiet machine; an hour by a clock that was believed.
            ours.wait(ours.finals, PATIENCE, sweeping=False)
        finally:
            beat.kill()


@pytest.mark.parametrize("skew", [-5 * MINUTE, pytest.param(5 * MINUTE, marks=pytest.mark.long)])
def test_hosts_whose_clocks_differ_work_together(
    ledger: Ledger, skew: float, home: Path, start: Callable[..., Worker]
) -> None:
    """A beat that is minutes ahead of the worker, or behind it: sweeps are done, none is thrown away.

    Break: give the sweep's message an expiry.
    """
    worker = start()
    clock = SteppedClock(home / "clock")
    clock.step(skew)
    beat = Beat(home, **clock.environment)
    try:
        ledger.database.write(creation.create, [NewJob(kind="domain", address="127.40.0.5")])
        # Nothing was sent: only a sweep finds it.
        ledger.wait(ledger.finals, PATIENCE, sweeping=False)
    finally:
        beat.kill()
    assert "revoked" not in worker.log.read_text()
