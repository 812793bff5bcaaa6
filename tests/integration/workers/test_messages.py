"""Messages that others than the dispatcher wrote: Redis may be writable by a neighbour."""

import json
import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
import redis

from cobalt_tasks.celery import app
from cobalt_tasks.core.kinds import CONTROL_QUEUE
from cobalt_tasks.core.records import NewJob
from cobalt_tasks.core.timeouts import HARD_LIMIT_SECONDS, SOFT_LIMIT_SECONDS
from cobalt_tasks.jobs import creation
from cobalt_tasks.jobs import store as jobs
from cobalt_tasks.messages import elements
from tests.integration.workers.conftest import Ledger
from tests.support.waiting import wait_until
from tests.support.worker import Worker
from workers.control import control
from workers.tasks import ids_of

FORGED: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((), {}),
    ((None,), {}),
    (("1,2",), {}),
    ((["1"],), {}),
    (([1.5],), {}),
    (([True],), {}),
    (([0],), {}),
    (([2**63],), {}),
    (([[1]],), {}),
    (([1], [2]), {}),
    (([1],), {"kind": "banner"}),
    ((), {"ids": [1]}),
    ((list(range(1, 5000)),), {}),
]


@pytest.mark.parametrize(("arguments", "named"), FORGED)
def test_what_is_no_message_of_ours_costs_one_line(
    arguments: tuple[Any, ...], named: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Types, ranges, numbers of arguments and of jobs are checked before anything else looks at them."""
    with caplog.at_level(logging.WARNING):
        assert ids_of("banner", arguments, named) is None
    (record,) = caplog.records
    assert "\n" not in record.getMessage()
    assert len(record.getMessage()) < 300


def test_the_dispatchers_own_messages_are_understood() -> None:
    """Jobs, or none: that one wakes a worker for a provider."""
    assert ids_of("banner", ([1, 2**62],), {}) == [1, 2**62]
    assert ids_of("geolocation", ([],), {}) == []


def test_the_sweep_is_understood_as_beat_sends_it(redis_url: str) -> None:
    """With the limits of its task: were it dropped, no sweep would be done at all. Break: `timelimit` in elements.py."""
    with app.connection_for_write(redis_url) as connection, redis.Redis.from_url(redis_url) as client:
        limits = {"time_limit": HARD_LIMIT_SECONDS, "soft_time_limit": SOFT_LIMIT_SECONDS}
        control.apply_async(connection=connection, priority=0, **limits)
        (element,) = client.lrange(CONTROL_QUEUE, 0, -1)
    assert elements.problem(element, CONTROL_QUEUE) is None
    assert json.loads(element)["headers"]["timelimit"] == [HARD_LIMIT_SECONDS, SOFT_LIMIT_SECONDS]


def test_forged_messages_do_nothing(ledger: Ledger, start_worker: Callable[..., Worker]) -> None:
    """Not even those that name real jobs of another kind; the worker goes on, without a traceback."""
    worker = start_worker("-c", "1")
    ledger.ask()
    ledger.database.write(_create_unsent)
    (row,) = ledger.rows().values()
    for arguments, named in FORGED:
        app.send_task("cobalt.banner", args=arguments, kwargs=named, queue="banner", priority=1)
    app.send_task("cobalt.banner", args=[[row["id"]]], queue="banner", priority=1)
    app.send_task("cobalt.sweep", args=["x"], kwargs={"y": 1}, queue="control", priority=0)
    ledger.ask(NewJob(kind="banner", address="127.0.0.77", protocol="tcp", port=1))
    ledger.wait(lambda rows: rows["127.0.0.77"]["state"] not in {"pending", "sent", "running"}, sweeping=True)

    def dropped() -> int:
        """Most are dropped as they leave the queue; what has the right form there, by the task."""
        return len(re.findall("is none of the dispatcher's|that is no message", worker.said()))

    wait_until(lambda: dropped() >= len(FORGED), "all are dropped", seen=worker.said)
    assert "Traceback" not in worker.said()
    assert ledger.rows()["127.0.0.78"]["kind"] == "domain"
    assert ledger.rows()["127.0.0.78"]["started_at"] is None


def _create_unsent(connection: Any) -> None:

    creation.create(connection, [NewJob(kind="domain", address="127.0.0.78")])
    jobs.mark_sent(connection, "domain", 2, 1)
