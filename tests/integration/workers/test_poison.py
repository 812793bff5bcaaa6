"""A job that kills its worker takes nobody with it."""

from collections.abc import Callable

import pytest

from cobalt_tasks.core.records import NewJob
from tests.integration.workers.conftest import Ledger
from tests.support.probes import CRASHES, EATEN, EXITS
from tests.support.worker import Worker

POISON = {f"127.9.0.{number}" for number in (EXITS, CRASHES, EATEN)}
LEASE = "2"


def test_poison_is_dead_after_three_lone_runs_and_its_neighbours_finish(
    ledger: Ledger,
    start_worker: Callable[..., Worker],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """os._exit, a segmentation fault and the kernel's kill, in one batch with forty good jobs, on a real prefork pool.

    Break: `isolated` in store.reap (suspects are lost together, for ever), or `attempts` there (poison never ends).
    """
    monkeypatch.setattr("cobalt_tasks.jobs.rounds._PAUSE_SECONDS", 0.25)
    worker = start_worker("-c", "2", "-I", "tests.support.probes", TEST_LEASE=LEASE)
    neighbours = {f"127.9.1.{number}" for number in range(10, 50)}
    ledger.ask(*(NewJob(kind="domain", address=address) for address in (*POISON, *neighbours)))
    ledger.wait(ledger.finals, sweeping=True)
    rows = ledger.rows()
    assert {address for address, row in rows.items() if row["state"] == "dead"} == POISON
    assert {rows[address]["state"] for address in neighbours} == {"done"}
    for address in POISON:
        assert rows[address]["attempts"] == 3
        assert rows[address]["outcome"] == "worker lost"
        assert rows[address]["detail"] == "its worker was lost 3 times"
    assert worker.process.poll() is None
