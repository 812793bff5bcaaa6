"""Real workers on the private Redis, and a sweep that the test does itself."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from cobalt_tasks.core import settings as environment
from cobalt_tasks.core.errors import OutOfTimeError
from cobalt_tasks.core.records import FINAL_STATES
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.schema import open_ledger
from cobalt_tasks.db.tables import jobs as table
from cobalt_tasks.jobs import creation
from cobalt_tasks.jobs.dispatcher import Dispatcher
from cobalt_tasks.jobs.reaper import sweep
from tests.support.waiting import PATIENCE, wait_until
from tests.support.worker import Worker


class Ledger:
    """The ledger as the test sees it, and its own way to send."""

    def __init__(self, database: Database) -> None:
        """Use the settings of the environment."""
        self.database = database
        self.settings = environment.load()
        self.dispatcher = Dispatcher(database, self.settings)

    def ask(self, *new: Any) -> None:
        """Make jobs and send them, as ingest does."""
        self.database.write(creation.create, new)
        self.dispatcher.dispatch({job.kind for job in new})

    def sweep(self) -> None:
        """Do one round of the sweep. One that runs out of its time, on a busy machine, is followed by the next, as in a worker."""
        with suppress(OutOfTimeError):
            sweep(self.database, self.dispatcher)

    def rows(self, kind: str | None = None) -> dict[str, dict[str, Any]]:
        """Every job by its address, or those of one kind."""
        query = select(table) if kind is None else select(table).where(table.c.kind == kind)
        with self.database.reading() as connection:
            return {row["address"]: dict(row) for row in connection.execute(query).mappings()}

    def wait(
        self, holds: Callable[[dict[str, dict[str, Any]]], object], seconds: float = PATIENCE, *, sweeping: bool
    ) -> None:
        """Wait until something holds of the jobs, with or without sweeps meanwhile."""

        def come_true() -> object:
            if not (found := holds(self.rows())) and sweeping:
                self.sweep()
            return found

        wait_until(come_true, "the jobs are as they should be", seconds=seconds, seen=self.rows, every=0.1)

    def finals(self, rows: dict[str, dict[str, Any]]) -> bool:
        """Tell whether every job has ended."""
        return all(row["state"] in FINAL_STATES for row in rows.values())


@contextmanager
def opened() -> Iterator[Ledger]:
    """Give the ledger that the environment names, made if need be, with the sender that belongs to it."""
    found = Ledger(open_ledger(environment.load()))
    yield found
    found.dispatcher.broker.close()
    found.database.dispose()


@pytest.fixture
def ledger(
    sqlite_url: str, sqlite_tables: None, redis_url: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Ledger]:
    """An empty ledger on SQLite."""
    monkeypatch.setenv("COBALT_DATABASE_URL", sqlite_url)
    with opened() as found:
        yield found


@pytest.fixture
def start_worker(home: Path) -> Iterator[Callable[..., Worker]]:
    """Starts workers, and kills them at the end."""
    started: list[Worker] = []

    def start(*options: str, **changes: str) -> Worker:
        started.append(Worker(home, *options, name=f"worker{len(started)}", **changes))
        return started[-1]

    yield start
    for worker in started:
        worker.kill()
