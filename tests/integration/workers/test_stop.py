"""A worker that is asked to stop finishes, or hands back."""

import signal
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from billiard import pool

from cobalt_tasks.core.records import NewJob
from tests.integration.workers.conftest import Ledger
from tests.support.probes import SLOW
from tests.support.worker import Worker
from workers import context

LONG = [f"127.9.{number}.{SLOW}" for number in range(30)]
QUICK = [f"127.9.{number}.9" for number in range(30)]


@pytest.mark.parametrize("impatient", [False, True])
def test_a_long_batch_is_handed_back_within_the_grace_period(
    ledger: Ledger, start_worker: Callable[..., Worker], impatient: bool
) -> None:
    """SIGTERM in the middle of a batch of 18 s: the worker ends, and its jobs are free at once, unharmed; a second one
    changes nothing. Had it waited for its batch, they would be done.

    Break: _release in workers/held_claims.py, or the signal that begins it.
    """
    worker = start_worker("-c", "2", "-I", "tests.support.probes")
    ledger.ask(*(NewJob(kind="domain", address=address) for address in LONG))
    ledger.wait(lambda rows: any(row["state"] == "running" for row in rows.values()), sweeping=False)
    if impatient:
        worker.process.send_signal(signal.SIGTERM)
        time.sleep(1)
    worker.terminate()
    rows = ledger.rows()
    assert {row["state"] for row in rows.values()} <= {"pending", "sent"}
    assert {(row["attempts"], row["isolated"]) for row in rows.values()} == {(0, False)}


def test_a_short_batch_is_finished(ledger: Ledger, start_worker: Callable[..., Worker]) -> None:
    """What ends within the grace period is not done twice."""
    worker = start_worker("-c", "2", "-I", "tests.support.probes")
    ledger.ask(*(NewJob(kind="domain", address=address) for address in QUICK))
    worker.terminate()
    rows = ledger.rows()
    assert "running" not in {row["state"] for row in rows.values()}
    start_worker("-c", "1", "-I", "tests.support.probes")
    ledger.wait(ledger.finals, sweeping=True)
    assert {row["attempts"] for row in ledger.rows().values()} == {0}


def test_a_child_does_not_wait_for_its_last_messages_to_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that has ended its reading would hold its children, and so itself, for half a minute.

    Break: `_end_within_seconds` in workers/context.py.
    """
    pauses: list[float] = []
    monkeypatch.setattr(pool, "GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT", 300)
    monkeypatch.setattr(pool, "time", SimpleNamespace(sleep=pauses.append))
    context._end_within_seconds()
    child = SimpleNamespace(on_ready_counter=SimpleNamespace(value=0))
    assert not pool.Worker._ensure_messages_consumed(child, completed=1)
    assert sum(pauses) == pytest.approx(1.0)
