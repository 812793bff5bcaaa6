"""How soon a job is begun that nothing stands before."""

from collections.abc import Callable
from typing import Any

from cobalt_tasks.core.records import NewJob
from cobalt_tasks.core.timeouts import SWEEP_SECONDS


def test_an_idle_worker_begins_at_once(ledger: Any, start_worker: Callable[..., Any]) -> None:
    """From the commit to the start it takes a fraction of a second, not a round of polling. Break: Dispatcher.dispatch."""
    start_worker("-c", "1")
    waits = []
    for index in range(6):
        address = f"127.0.0.{index + 10}"
        ledger.ask(NewJob(kind="banner", address=address, protocol="tcp", port=1))
        ledger.wait(lambda rows, address=address: rows[address]["started_at"], sweeping=False)
        row = ledger.rows()[address]
        waits.append(row["started_at"] - row["created_at"])
    # The first one finds a process that has yet to open the ledger. Half of the others are begun before a round of the
    # sweep is over, on a busy machine too; none is done here, so that what is not sent at once is never begun.
    assert sorted(waits)[len(waits) // 2] < SWEEP_SECONDS
