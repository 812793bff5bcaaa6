"""Flower, as everything of ours starts it, beside a real worker: its task list says how many jobs a message carries."""

import itertools
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from cobalt_tasks import flowerconfig
from cobalt_tasks.celery import app
from cobalt_tasks.core import settings as environment
from cobalt_tasks.core.catalog import SWEEP_TASK
from cobalt_tasks.core.records import NewJob
from cobalt_tasks.db.schema import open_ledger
from cobalt_tasks.jobs import creation
from cobalt_tasks.jobs.dispatcher import Dispatcher
from cobalt_tasks.messages import elements
from tests.conftest import free_port
from tests.support.waiting import PATIENCE, wait_until

CELERY = [sys.executable, "-m", "celery", "-A", "cobalt_tasks"]
COLUMNS = "&".join(f"columns[{number}][data]={name}" for number, name in enumerate(("name", "uuid", "state", "args")))
LIST = f"/tasks/datatable?draw=1&start=0&length=10&search[value]=&order[0][column]=0&order[0][dir]=asc&{COLUMNS}"


HEARTBEAT: dict[str, object] = {
    "type": "worker-heartbeat",
    "hostname": "celery@test",
    "timestamp": 1e9,
    "clock": 7,
    "freq": 2.0,
    "active": 0,
    "loadavg": [1, 0.5, 0.1],
    "sw_ident": "py-celery",
    "expires": None,
}


def event(body: object) -> bytes:
    """Return an event, or several, as a worker publishes them."""
    properties = {
        "delivery_tag": "a",
        "delivery_info": {"exchange": "celeryev", "routing_key": "worker.heartbeat"},
        "body_encoding": "base64",
    }
    message = {
        "body": b64encode(json.dumps(body).encode()).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"hostname": "celery@test"},
        "properties": properties,
    }
    return json.dumps(message).encode()


class Task:
    """What format_task changes of a task."""

    def __init__(self, args: str) -> None:
        """Hold the arguments as text."""
        self.args = args
        self.kwargs = "{}"


@pytest.mark.parametrize(
    ("args", "shown"),
    [
        ("(64 jobs)", "64 jobs"),
        ("(1 jobs)", "1 job"),
        ("(0 jobs)", "a provider's call"),
        ("([1, 2],)", "([1, 2],)"),
        ("", ""),
    ],
)
def test_the_number_of_jobs_is_shown(args: str, shown: str) -> None:
    """What the sender wrote down becomes words; anything else stays as it is."""
    assert flowerconfig.format_task(Task(args)).args == shown


@pytest.fixture
def flower(sqlite_url: str, redis_url: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A Flower and a worker of the geolocation queue; Flower's address."""
    monkeypatch.setenv("COBALT_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("COBALT_GEO_PROVIDERS", "mmdb")
    port = free_port()
    commands = (
        [*CELERY, "flower", "--address=127.0.0.1", f"--port={port}", f"--conf={flowerconfig.__file__}"],
        [*CELERY, "worker", "-Q", "control,geolocation", "-c", "1"],
    )
    with ExitStack() as stack:
        for command in commands:
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": dict(os.environ)}
            process = stack.enter_context(subprocess.Popen(command, cwd=home, **quiet))
            stack.callback(process.terminate)
        yield f"http://127.0.0.1:{port}"


def tasks(address: str) -> list[dict[str, object]]:
    """What the task list of the page shows; nothing while Flower starts, and no task of which it met only the end."""
    try:
        with urllib.request.urlopen(address + LIST, timeout=PATIENCE) as answer:
            return [task for task in json.load(answer)["data"] if task["name"] is not None]
    except (urllib.error.URLError, ConnectionError):
        return []


def test_the_task_list_shows_batch_sizes(flower: str) -> None:
    """Three jobs in one message are one task of "3 jobs", and rounds of the control task are left out.

    Break: `--conf`, argsrepr in dispatch._publish, or send_events in workers/control.py.
    """
    settings = environment.load()
    database = open_ledger(settings)
    dispatcher = Dispatcher(database, settings)
    numbers = itertools.count()

    def shown() -> list[dict[str, object]]:
        """Flower shows what happens after it has started: some more, each time."""
        number = next(numbers)
        new = [NewJob(kind="geolocation", address=f"10.0.{number}.{last}") for last in (1, 2, 3)]
        database.write(creation.create, new)
        dispatcher.dispatch(["geolocation"])
        app.send_task(SWEEP_TASK)
        found = tasks(flower)
        return found if len(found) >= 3 else []

    seen = wait_until(shown, "Flower lists tasks", every=0.5)
    database.dispose()
    assert {(task["name"], task["args"]) for task in seen} == {("cobalt.geolocation", "3 jobs")}


@pytest.mark.parametrize(
    "event",
    [
        b"garbage",
        b"[" * 100_000,
        b"{}",
        event({}),
        event([1]),
        event({**HEARTBEAT, "clock": "late"}),
        event({**HEARTBEAT, "clock": 1 << 400}),
        event({**HEARTBEAT, "timestamp": 1e300}),
        event({**HEARTBEAT, "hostname": {"a": 1}}),
        event({**HEARTBEAT, "freq": {"__type__": "datetime", "__value__": 7}}),
        event({**HEARTBEAT, "type": "task-received", "uuid": {"a": 1}}),
        event({**HEARTBEAT, "type": None}),
    ],
)
def test_what_is_no_event_is_dropped_before_flower_reads_it(event: bytes) -> None:
    """It would make Flower connect anew, or break its lists. Break: `_PUBLISHED` in elements.py."""
    assert elements.problem(event, "celeryev") is not None


def test_events_are_read() -> None:
    """A heartbeat, alone or with others, is an event."""
    assert elements.problem(event(HEARTBEAT), "celeryev") is None
    assert elements.problem(event([HEARTBEAT, HEARTBEAT]), "celeryev") is None


def test_the_number_of_tasks_kept_is_bounded(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flower's own bound of 100,000 costs half a gigabyte. Break: `max_tasks` in flowerconfig.py."""
    monkeypatch.setenv("COBALT_NO_LOGIN", "true")
    read = "import sys; from flower.options import options as o; o.parse_config_file(sys.argv[1]); print(o.max_tasks)"
    done = subprocess.run([sys.executable, "-c", read, flowerconfig.__file__], capture_output=True, check=True)
    assert 0 < int(done.stdout) <= 10_000
