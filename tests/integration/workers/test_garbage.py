"""What others write into Redis: it is dropped with one line each, and the messages behind it are done."""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from cobalt_tasks.core.records import NewJob
from tests.integration.workers.conftest import Ledger
from tests.support.worker import Worker

OLD = 1.0
"""A time of delivery that is long past, so that what it belongs to is restored at once."""


def message(body: object = None, headers: object = None, properties: object = None) -> dict[str, Any]:
    """A message as the program sends it for no job at all, with changes."""
    call = [[[]], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]
    return {
        "body": b64encode(json.dumps(call if body is None else body).encode()).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"task": "cobalt.domain", "id": "forged", "retries": 0} if headers is None else headers,
        "properties": {
            "delivery_tag": "forged",
            "delivery_info": {"exchange": "", "routing_key": "domain"},
            "body_encoding": "base64",
            "priority": 1,
        }
        if properties is None
        else properties,
    }


def with_header(name: str, value: object) -> dict[str, Any]:
    """A message with one header that is not as it should be."""
    return message(headers={**message()["headers"], name: value})


def with_property(name: str, value: object) -> dict[str, Any]:
    """A message with one property that is not as it should be."""
    return message(properties={**message()["properties"], name: value})


EMBEDDED = {"callbacks": [{"task": "cobalt.sweep"}], "errbacks": None, "chain": None, "chord": None}
BYTES = [b"", b"garbage", b"\xff\xfe\x00", b"[" * 100_000, b'{"a":' * 50_000, b"x" * (8 << 20), b"1", b"null", b'""']
SHAPES: list[object] = [
    {},
    [],
    message(properties={}),
    message(properties=[]),
    message(headers=[]),
    message(headers={}),
    message(body="not a call"),
    message(body=[1, 2, 3]),
    message(body=[[[]], {}, EMBEDDED]),
    message(body={"__type__": "datetime", "__value__": 7}),
    {"__type__": "decimal", "__value__": []},
    {**message(), "body": "%%%"},
    {**message(), "body": 7},
    {**message(), "content-type": "application/x-python-serialize"},
    {**message(), "content-encoding": "rot13"},
    with_property("delivery_tag", None),
    with_property("delivery_tag", ["a"]),
    with_property("delivery_info", None),
    with_property("body_encoding", "hex"),
    with_header("task", "no.such.task"),
    with_header("task", None),
    with_header("id", 7),
    with_header("eta", "yesterday"),
    with_header("eta", {"a": 1}),
    with_header("expires", "soon"),
    with_header("eta", "9999-12-31T23:59:59"),
    with_header("expires", "1970-01-01T00:00:00"),
    with_header("timelimit", "short"),
    with_header("timelimit", [0.001, 0.001]),
    with_header("retries", "often"),
    message(body=[["ids"], {}, {}]),
    message(body=[[[1, "2", None]], {}, {}]),
    message(body=[[[1 << 80, -5]], {}, {}]),
    message(body=[[[7]], {"surprise": 1}, {}]),
    message(body=[[], {}, {}]),
]
HARMLESS: list[object] = [
    with_header("argsrepr", 7),
    with_header("stamps", "none"),
    with_property("priority", "high"),
]
"""Messages that reach the task."""


def elements() -> list[bytes]:
    """Everything of the above as it stands in a list."""
    return [*BYTES, *(json.dumps(each).encode() for each in [*SHAPES, *HARMLESS])]


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    """Another client that may write to Redis."""
    with redis.Redis.from_url(redis_url) as found:
        yield found


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_garbage_in_a_queue_ends_no_worker(
    pool: str, ledger: Ledger, client: redis.Redis, start_worker: Callable[..., Worker]
) -> None:
    """Each element costs one line at the most; no process ends, no connection is made anew, no message stays behind.

    Break: `_checked`, `_deliver` in transport.py, or the hooks of workers/consumer.py.
    """
    garbage = elements()
    for element in garbage:
        client.lpush("domain", element)
    worker = start_worker("-c", "2", "-P", pool, "-I", "tests.support.probes")
    children = {child.pid for child in worker.pool}
    ledger.ask(NewJob(kind="domain", address="127.30.0.11"))
    ledger.wait(ledger.finals, sweeping=False)
    ledger.wait(lambda _: not client.hlen("unacked"), sweeping=False)
    said = worker.log.read_text(errors="replace")
    assert worker.process.poll() is None
    assert {child.pid for child in worker.pool} == children
    assert "Traceback" not in said
    assert said.count("Connected to") == 1
    lines = [line for line in said.splitlines() if "dropped" in line]
    assert len(BYTES) + len(SHAPES) <= len(lines) <= len(garbage)
    assert max(map(len, lines)) < 500
    assert client.hlen("unacked") == client.zcard("unacked_index") == 0


def test_garbage_in_what_kombu_keeps_ends_no_worker(
    ledger: Ledger, client: redis.Redis, start_worker: Callable[..., Worker]
) -> None:
    """Unacknowledged messages and bindings that are none are left out; a true one is restored all the same.

    Break: CarefulQoS and `get_table` in transport.py.
    """
    for number, element in enumerate(elements()):
        for entry in (element, b"[" + element + b"]", b"[" + element + b',"",7]', b"[" + element + b',"","domain"]'):
            tag = f"{number}-{len(entry)}"
            client.hset("unacked", tag, entry)
            client.zadd("unacked_index", {tag: OLD})
    client.zadd("unacked_index", {b"\xff": OLD, "of-nothing": OLD})
    ledger.ask(NewJob(kind="domain", address="127.30.0.12"))
    client.hset("unacked", "true", json.dumps([json.loads(client.lpop("domain\x06\x162")), "", "domain"]))
    client.zadd("unacked_index", {"true": OLD})
    for exchange in ("control", "celeryev", "celery.pidbox", "reply.celery.pidbox", "domain"):
        client.sadd(f"_kombu.binding.{exchange}", b"", b"\xff", b"a\x06\x16b", b"a\x06\x16" * 9)
    worker = start_worker("-c", "1", "-I", "tests.support.probes")
    ledger.wait(ledger.finals, sweeping=False)
    assert ledger.dispatcher.broker.workers(5.0)
    said = worker.log.read_text(errors="replace")
    assert worker.process.poll() is None
    assert said.count("Connected to") == 1
    assert "Traceback" not in said
