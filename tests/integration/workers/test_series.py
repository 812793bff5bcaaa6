"""A message of a kind that computes starts a series of batches: each is written in the transaction that claims the next."""

from collections.abc import Callable, Iterator, Sequence
from ipaddress import IPv4Address

import pytest
from sqlalchemy import func, select, update

from cobalt_tasks.core import settings as environment
from cobalt_tasks.core.catalog import GEOLOCATION
from cobalt_tasks.core.records import Job, NewJob, Outcome, State, Verdict
from cobalt_tasks.db.tables import jobs as table
from cobalt_tasks.jobs import creation
from tests.integration.workers.conftest import Ledger
from workers import series
from workers.context import WorkerContext
from workers.series import Series

JOBS = 300


@pytest.fixture
def own(ledger: Ledger) -> Iterator[WorkerContext]:
    """What a worker process has, and jobs that wait."""
    first = int(IPv4Address("20.0.0.0"))
    new = [NewJob(kind=GEOLOCATION, address=str(IPv4Address(first + number))) for number in range(JOBS)]
    ledger.database.write(creation.create, new)
    made = WorkerContext(environment.load())
    yield made
    made.dispatcher.broker.close()
    made.database.dispose()


class Batches:
    """A runner that notes its batches."""

    def __init__(self) -> None:
        """Note none yet."""
        self.made: list[list[int]] = []

    def __call__(self, _: WorkerContext, batch: Sequence[Job]) -> list[Outcome]:
        """Do nothing for each job."""
        self.made.append([job.id for job in batch])
        return [Outcome(job=job, verdict=Verdict.DONE, code="located") for job in batch]


def ids(ledger: Ledger) -> list[int]:
    """Return the ids of all jobs."""
    with ledger.database.reading() as connection:
        return list(connection.execute(select(table.c.id).order_by(table.c.id)).scalars())


def count(ledger: Ledger, *which: object) -> int:
    """Count jobs."""
    with ledger.database.reading() as connection:
        return connection.execute(select(func.count()).select_from(table).where(*which)).scalar_one()  # type: ignore[arg-type]


def test_a_message_starts_a_series(ledger: Ledger, own: WorkerContext) -> None:
    """All due jobs of the kind are done, each once, and without having been marked as sent.

    Break: return () from `Series._levels`.
    """
    run = Batches()
    made = Series(own, GEOLOCATION, run)
    made.run(ids(ledger)[:20])
    assert made.done == JOBS
    assert sorted(each for batch in run.made for each in batch) == ids(ledger)
    assert run.made[0] == ids(ledger)[:20]
    assert max(map(len, run.made)) <= 500
    assert count(ledger, table.c.state == State.DONE, table.c.sent_at.is_(None), table.c.claim.is_(None)) == JOBS


def stop_at_once(monkeypatch: pytest.MonkeyPatch, _: Ledger) -> None:
    """The time of a series is over."""
    monkeypatch.setattr(series, "SERIES_SECONDS", -1.0)


def ask_to_stop(monkeypatch: pytest.MonkeyPatch, _: Ledger) -> None:
    """The worker was asked to stop."""
    monkeypatch.setattr(series, "is_stopping", lambda: True)


def isolated(_: pytest.MonkeyPatch, ledger: Ledger) -> None:
    """The job of the message may be the reason that a worker died."""
    first = ids(ledger)[0]
    ledger.database.write(
        lambda connection: connection.execute(update(table).where(table.c.id == first).values(isolated=True))
    )


@pytest.mark.parametrize("why", [stop_at_once, ask_to_stop, isolated])
def test_a_series_ends(
    ledger: Ledger,
    own: WorkerContext,
    monkeypatch: pytest.MonkeyPatch,
    why: Callable[[pytest.MonkeyPatch, Ledger], None],
) -> None:
    """After the batch of the message when its time is over, its worker stops, or a job must not run beside others."""
    why(monkeypatch, ledger)
    run = Batches()
    Series(own, GEOLOCATION, run).run(ids(ledger)[:1])
    assert run.made == [ids(ledger)[:1]]


def test_a_batch_that_raises_is_a_fault_of_its_jobs_alone(ledger: Ledger, own: WorkerContext) -> None:
    """The series goes on, and every job is accounted for."""
    run = Batches()

    def fail_first(context: WorkerContext, batch: Sequence[Job]) -> list[Outcome]:
        if not run.made:
            run.made.append([])
            raise ZeroDivisionError
        return run(context, batch)

    made = Series(own, GEOLOCATION, fail_first)
    made.run(ids(ledger)[:20])
    assert count(ledger, table.c.state == State.DONE) == JOBS - 20
    assert count(ledger, table.c.state == State.RUNNING) == 0
