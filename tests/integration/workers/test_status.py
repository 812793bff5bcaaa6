"""`cobalt status` beside real workers."""

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from cobalt_tasks.celery import app
from cobalt_tasks.core.settings import load
from cobalt_tasks.jobs.broker import Broker
from tests.support.worker import Worker


def test_the_status_waits_no_longer_than_the_workers_need(
    start_worker: Callable[..., Worker], ledger: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a wait of a minute it still returns, as soon as both have answered; a caller that waits for all of them waits on.

    Break: leave out the limit of the broadcast.
    """
    for _ in range(2):
        start_worker("-c", "1")
    waits: list[object] = []
    ask = app.control.broadcast

    def broadcast(*arguments: Any, **options: Any) -> Any:
        waits.append(options["limit"])
        return ask(*arguments, **options)

    monkeypatch.setattr(app.control, "broadcast", broadcast)
    with closing(Broker(load())) as broker:
        names = [worker.name for worker in broker.workers(60.0, wait_for_all=False)]
        assert sorted(names) == ["worker0@test", "worker1@test"]
        broker.workers(0.1)
    assert waits == [2, None]


@pytest.mark.usefixtures("ledger")
def test_a_command_waits_a_moment_where_no_worker_is_known() -> None:
    """With a wait of an hour it returns an empty list at once.

    Break: leave the wait as it is where Redis knows of no listener; the test then ends by its time limit.
    """
    with closing(Broker(load())) as broker:
        assert broker.workers(3600.0, wait_for_all=False) == []
