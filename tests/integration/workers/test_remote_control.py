"""What others publish on the channel of Celery's remote control: workers answer questions and obey no orders."""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from cobalt_tasks.celery import app
from cobalt_tasks.core.records import NewJob
from tests.integration.workers.conftest import Ledger
from tests.support.worker import Worker

QUESTIONS = "/0.celery.pidbox"
ORDERS: dict[str, dict[str, object]] = {
    "shutdown": {},
    "pool_shrink": {"n": 2},
    "pool_grow": {"n": 3},
    "pool_restart": {"modules": ["antigravity"], "reload": True},
    "autoscale": {"max": 9, "min": 9},
    "cancel_consumer": {"queue": "domain"},
    "add_consumer": {"queue": "other", "exchange": "other"},
    "rate_limit": {"task_name": "cobalt.domain", "rate_limit": "1/h"},
    "time_limit": {"task_name": "cobalt.domain", "hard": 0.001, "soft": 0.001},
    "revoke": {"task_id": "a", "terminate": True, "signal": "KILL"},
    "terminate": {"signal": "KILL", "task_id": "a"},
    "disable_events": {},
    "election": {"id": "a", "topic": "task", "action": {}},
    "hello": {"from_node": "x", "revoked": {"a": 1}},
    "memdump": {},
    "objgraph": {"num": 1},
}


def frame(body: object, **changes: object) -> dict[str, Any]:
    """Return a message as kombu publishes it, with changes."""
    return {
        "body": b64encode(json.dumps(body).encode()).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"clock": 1},
        "properties": {
            "delivery_tag": "forged",
            "delivery_info": {"exchange": "celery.pidbox", "routing_key": ""},
            "body_encoding": "base64",
            "priority": 0,
        },
        **changes,
    }


def request(**changes: object) -> dict[str, Any]:
    """Return a question to all workers, with changes."""
    return frame({"method": "ping", "arguments": {}, "destination": None, "pattern": None, "matcher": None, **changes})


JUNK: list[bytes] = [
    b"garbage",
    b"\xff\xfe",
    b"1",
    b"[1]",
    b"null",
    b'"text"',
    b"{}",
    b"[" * 100_000,
    *(
        json.dumps(each).encode()
        for each in [
            frame([1, 2]),
            frame("text"),
            frame(None),
            frame({}),
            frame({"method": 7}),
            frame({"method": {"a": 1}}),
            frame({"method": "x" * 100_000}),
            {**request(), "properties": {}},
            {**request(), "properties": []},
            {**request(), "headers": 5},
            {**request(), "headers": {"clock": "late"}},
            {**request(), "headers": {"clock": 1 << 400}},
            {**request(), "content-type": "application/x-python-serialize"},
            {**request(), "body": "%%%"},
            request(destination=7),
            request(arguments=[1]),
            request(arguments={"surprise": 1}),
            request(reply_to=7),
            request(reply_to={"exchange": "", "routing_key": "domain"}, ticket="a"),
            request(reply_to={"exchange": {"a": 1}, "routing_key": [1]}, ticket="a"),
            request(pattern="(", matcher="pcre"),
            request(pattern="x", matcher="none of them"),
            request(method="no such command"),
            request(method="conf", arguments={"with_defaults": {"__type__": "datetime", "__value__": 7}}),
            # An expression that takes longer than the universe lasts, on any name.
            request(pattern="^(([a-z0-9@-]+)+)+[!]$", matcher="pcre"),
        ]
    ),
]


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    """Another client that may publish in Redis."""
    with redis.Redis.from_url(redis_url) as found:
        yield found


def test_workers_obey_no_order(ledger: Ledger, client: redis.Redis, start_worker: Callable[..., Worker]) -> None:
    """After every order that Celery knows, the same processes take jobs of the same queues, and are found and asked.

    Break: `_QUESTIONS` in elements.py.
    """
    worker = start_worker("-c", "2", "-I", "tests.support.probes")
    children = {child.pid for child in worker.pool}
    before = ledger.dispatcher.broker.workers(10.0, wait_for_all=False)
    for method, arguments in ORDERS.items():
        assert client.publish(QUESTIONS, json.dumps(request(method=method, arguments=arguments))) == 1
    ledger.ask(NewJob(kind="domain", address="127.30.0.21"))
    ledger.wait(ledger.finals, sweeping=False)
    after = ledger.dispatcher.broker.workers(10.0, wait_for_all=False)
    assert worker.process.poll() is None
    assert {child.pid for child in worker.pool} == children
    assert [(each.name, each.queues) for each in after] == [(each.name, each.queues) for each in before]
    assert app.control.inspect(timeout=10.0, limit=1).stats()


def test_junk_on_the_channel_ends_no_worker(
    ledger: Ledger, client: redis.Redis, start_worker: Callable[..., Worker]
) -> None:
    """No process ends, stands still or connects anew, and the log is not filled.

    Break: `_handle_message` in transport.py.
    """
    worker = start_worker("-c", "1", "-I", "tests.support.probes")
    for each in JUNK:
        client.publish(QUESTIONS, each)
    ledger.ask(NewJob(kind="domain", address="127.30.0.22"))
    ledger.wait(ledger.finals, sweeping=False)
    assert ledger.dispatcher.broker.workers(10.0, wait_for_all=False)
    said = worker.said()
    assert worker.process.poll() is None
    assert said.count("Connected to") == 1
    assert "Traceback" not in said
    assert max(map(len, said.splitlines())) < 1000
