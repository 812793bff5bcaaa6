"""A killed worker's jobs run elsewhere, without waiting for Redis to hand its message out again."""

from collections.abc import Callable

import pytest

from cobalt_tasks.core.records import NewJob
from tests.integration.workers.conftest import Ledger
from tests.support.probes import SLOW
from tests.support.worker import Worker


@pytest.mark.parametrize("what", [pytest.param("worker", marks=pytest.mark.long), "pool child"])
def test_a_killed_workers_job_is_begun_again(ledger: Ledger, start_worker: Callable[..., Worker], what: str) -> None:
    """Killed with -9 in the middle of a job, with the real lease and sweep. Break: leases.reap, or LEASE_SECONDS."""
    address = f"127.50.0.{SLOW}"
    doomed = start_worker("-c", "1", "-I", "tests.support.probes")
    ledger.ask(NewJob(kind="domain", address=address))
    ledger.wait(lambda rows: rows[address]["state"] == "running", sweeping=False)
    first = ledger.rows()[address]["claim"]
    if what == "worker":
        doomed.kill()
    else:
        doomed.pool[0].kill()
    start_worker("-c", "1", "-I", "tests.support.probes")
    ledger.wait(lambda rows: rows[address]["claim"] not in (None, first), sweeping=True)
    assert ledger.rows()[address]["isolated"]
