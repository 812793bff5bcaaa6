"""The control pool: what may wait never keeps the sweep from being done."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from cobalt_tasks.celery import app
from cobalt_tasks.core import settings as environment
from cobalt_tasks.core.catalog import SWEEP_TASK
from cobalt_tasks.core.kinds import CONTROL_QUEUE
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.schema import open_ledger
from cobalt_tasks.jobs import rounds
from cobalt_tasks.jobs.rounds import Round
from tests.support.waiting import wait_until
from tests.support.worker import Worker


@pytest.fixture
def ledger(postgres_url: str, redis_url: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A ledger on PostgreSQL, where a table can be locked."""
    monkeypatch.setenv("COBALT_DATABASE_URL", postgres_url)
    monkeypatch.setenv("COBALT_GEO_PROVIDERS", "mmdb")
    opened = open_ledger(environment.load())
    yield opened
    opened.dispose()


def found(ledger: Database) -> dict[str, Round]:
    """What is recorded of the rounds."""
    with ledger.reading() as connection:
        return rounds.find(connection)


def test_scoring_that_hangs_delays_no_sweep_and_ends_by_itself(ledger: Database, redis_url: str, home: Path) -> None:
    """Sweep after sweep ends well beside it; its own round fails with a reason, and no process had to be killed.

    Break: Database.deadline in rounds.run, or the two rounds in one lock.
    """
    worker = Worker(home, "-Q", CONTROL_QUEUE, "-c", "2")
    try:
        children = {child.pid for child in worker.pool}
        # The first sweep of a ledger looks at everything that a clock step could have changed.
        app.send_task(SWEEP_TASK, queue=CONTROL_QUEUE, priority=0)
        wait_until(lambda: (sweep := found(ledger).get("sweep")) and sweep.ended is not None, "a first sweep ends")
        with ledger.writing() as locked:
            locked.execute(text("LOCK TABLE cursors IN ACCESS EXCLUSIVE MODE"))
            sweeps = 0
            deadline = time.monotonic() + 120
            while found(ledger).get("upkeep") is None or not found(ledger)["upkeep"].failures:
                assert time.monotonic() < deadline, worker.log.read_text()
                began = time.monotonic()
                app.send_task(SWEEP_TASK, queue=CONTROL_QUEUE, priority=0)
                time.sleep(2)
                sweep = found(ledger).get("sweep")
                sweeps += sweep is not None and sweep.ended is not None and sweep.ended < time.monotonic() - began
        assert sweeps > 1
        assert found(ledger)["upkeep"].reason == "The database took longer than this may take."
        assert {child.pid for child in worker.pool} == children
    finally:
        worker.kill()
