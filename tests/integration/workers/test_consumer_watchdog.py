"""A worker whose consumer is stalled ends by itself; one that has nothing to do, or no Redis, does not."""

import signal
import time
from collections.abc import Callable

from cobalt_tasks.core.errors import BrokerUnavailableError
from cobalt_tasks.core.records import NewJob
from tests.integration.workers.conftest import Ledger
from tests.support.waiting import wait_until
from tests.support.worker import Worker
from workers.consumer_watchdog import EXIT, ConsumerWatchdog


def test_a_worker_whose_loop_hangs_ends_when_messages_wait(ledger: Ledger, start_worker: Callable[..., Worker]) -> None:
    """Idle it may hang unnoticed; as soon as there is work it is found out. Break: os._exit in workers/consumer_watchdog.py."""
    worker = start_worker("-c", "1", "-I", "tests.support.hangs", TEST_DEAF="2")
    worker.process.send_signal(signal.SIGUSR2)
    time.sleep(4)
    assert worker.process.poll() is None
    addresses = (f"127.30.{number // 256}.{number % 256}" for number in range(1 << 16))

    def has_ended() -> bool:
        # The first message may have gone to a read that was under way when the loop hung.
        ledger.ask(NewJob(kind="domain", address=next(addresses)))
        return worker.process.poll() is not None

    wait_until(has_ended, "the worker ends", every=1.0)
    assert worker.process.returncode == EXIT
    assert "took nothing for 2 s while messages wait" in worker.log.read_text()


def test_only_silence_while_messages_wait_counts_and_only_in_a_row() -> None:
    """Taking one message, an empty queue, or a Redis that is away begins the count anew."""
    waits: list[int | None] = []

    def waiting() -> int:
        found = waits.pop(0)
        if found is None:
            raise BrokerUnavailableError
        return found

    watchdog = ConsumerWatchdog(waiting, looks=2)
    waits[:] = [5, 0, 5, None, 5]
    assert [watchdog.is_stalled() for _ in range(5)] == [False] * 5
    watchdog.took()
    assert not watchdog.is_stalled()
    waits[:] = [5, 5]
    assert [watchdog.is_stalled(), watchdog.is_stalled()] == [False, True]
