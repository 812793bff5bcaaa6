"""A worker frozen past its lease (SIGSTOP, a paused machine, a long swap) writes nothing when it goes on."""

import time
from collections.abc import Callable

from sqlalchemy import select

from cobalt_tasks.core.records import NewJob
from cobalt_tasks.db.tables import hostnames
from tests.integration.workers.conftest import Ledger
from tests.support.probes import SIGNS
from tests.support.worker import Worker

ADDRESS = f"127.40.0.{SIGNS}"


def test_a_frozen_worker_writes_nothing_when_it_goes_on(ledger: Ledger, start_worker: Callable[..., Worker]) -> None:
    """Another worker does the job meanwhile; its result is the only one. Break: `claim` in jobs.finish."""
    frozen = start_worker("-c", "1", "-I", "tests.support.probes", TEST_LEASE="2")
    ledger.ask(NewJob(kind="domain", address=ADDRESS))
    ledger.wait(lambda rows: rows[ADDRESS]["state"] == "running", sweeping=False)
    (child,) = frozen.pool
    child.suspend()
    other = start_worker("-c", "1", "-I", "tests.support.probes", TEST_LEASE="2")
    ledger.wait(ledger.finals, sweeping=True)
    child.resume()
    frozen.wait_for_words("domain: 1 jobs")
    time.sleep(0.5)
    row = ledger.rows()[ADDRESS]
    assert (row["state"], row["outcome"]) == ("done", "fine")
    with ledger.database.reading() as connection:
        names = connection.execute(select(hostnames.c.name)).scalars().all()
    assert names == [f"pid-{other.pool[0].pid}"]
