"""The compose stack, on a machine with a Docker engine: `make test-compose`.

The lab runs inside the worker containers, so that every packet stays on their own loopback.
"""

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from cobalt_tasks.lab import scan_lines

ROOT = Path(__file__).parents[2]
PROJECT = "cobalt-test"
UP_SECONDS = 300
DONE_SECONDS = 90


def compose(*arguments: str, seconds: float = UP_SECONDS, **options: object) -> str:
    """Run one docker compose command on a project of its own; what it prints."""
    done = subprocess.run(
        ["docker", "compose", "-p", PROJECT, *arguments],
        cwd=ROOT,
        capture_output=True,
        timeout=seconds,
        check=False,
        **options,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def query(sql: str) -> list[list[str]]:
    """Rows from the stack's PostgreSQL."""
    command = ("exec", "-T", "postgres", "psql", "-U", "cobalt", "-At", "-F", "\t", "-c", sql)
    return [line.split("\t") for line in compose(*command).splitlines()]


@pytest.fixture(scope="module", autouse=True)
def stack() -> Iterator[None]:
    """The stack, built and healthy, with two geolocation workers; gone at the end, volumes and all."""
    compose("build", seconds=900)
    try:
        compose("up", "-d", "--wait", "--pull", "never", "--scale", "geolocation=2")
        yield
    finally:
        compose("--profile", "ingest", "down", "-v", "--remove-orphans")


@pytest.mark.timeout(2 * UP_SECONDS)
def test_every_service_is_healthy_and_scaled() -> None:
    """One service per pool and the rest of the stack, all healthy; two workers of the scaled pool."""
    states = [json.loads(line) for line in compose("ps", "--format", "json").splitlines()]
    services = sorted(state["Service"] for state in states)
    pools = ("banner", "domain", "geolocation", "geolocation", "certificate", "control")
    assert services == sorted(["redis", "postgres", *pools, "beat", "flower", "dashboard"])
    assert {state["Health"] for state in states} == {"healthy"}
    workers = json.loads(compose("exec", "-T", "dashboard", "cobalt", "status", "--json"))["workers"]
    assert len(workers) == 6


@pytest.mark.timeout(2 * UP_SECONDS)
def test_a_scan_piped_into_ingest_ends_as_rows_in_postgresql() -> None:
    """The ingest service takes a masscan file on stdin; the pools do the work; PostgreSQL has the answers."""
    for pool in ("banner", "certificate"):
        compose("exec", "-d", pool, "python", "-m", "cobalt_tasks.lab")
    time.sleep(3)
    summary = compose("run", "--rm", "-T", "ingest", "masscan", "-", "--name", "scan", input=scan_lines())
    assert "12 read = 12 accepted" in summary
    deadline = time.monotonic() + DONE_SECONDS
    while query("SELECT 1 FROM jobs WHERE state IN ('pending', 'sent', 'running') LIMIT 1"):
        assert time.monotonic() < deadline, query("SELECT kind, state, count(*) FROM jobs GROUP BY 1, 2")
        time.sleep(1)
    services = dict(query("SELECT port, service FROM ports WHERE banner IS NOT NULL"))
    assert services["22022"] == "ssh"
    assert services["23306"] == "mysql"
    ((names,),) = query("SELECT names FROM certificates")
    assert "*.api.lab.example" in json.loads(names)


@pytest.mark.timeout(2 * UP_SECONDS)
def test_a_worker_that_ended_is_started_again() -> None:
    """A worker killed without a word is another process within seconds, and healthy, and its doctor says so.

    Break: `restart: unless-stopped`. A stalled worker ends by itself (tests/integration/workers/test_consumer_watchdog.py).
    """
    container = compose("ps", "-q", "banner").strip()
    before = inspect(container, "{{.State.Pid}}")
    # Not by `docker kill`, which Docker takes for a wish to stop it.
    os.kill(int(before), signal.SIGKILL)
    deadline = time.monotonic() + DONE_SECONDS
    while inspect(container, "{{.RestartCount}} {{.State.Health.Status}}") != "1 healthy":
        assert time.monotonic() < deadline, compose("logs", "--tail", "20", "banner")
        time.sleep(0.5)
    assert inspect(container, "{{.State.Pid}}") != before
    compose("exec", "-T", "banner", "cobalt", "doctor", "--worker")


@pytest.mark.timeout(2 * UP_SECONDS)
def test_the_page_and_flower_ask_for_the_password_that_was_made() -> None:
    """From the host, the page and Flower answer 401 without the password of the volume, and 200 with it."""
    password = compose("exec", "-T", "dashboard", "cat", "/run/cobalt-secrets/dashboard")
    assert len(password) >= 32
    for url in ("http://127.0.0.1:8080/", "http://127.0.0.1:5555/workers"):
        assert [status_of(url, None), status_of(url, password)] == [401, 200]
    assert password not in compose("logs")


@pytest.mark.timeout(3 * UP_SECONDS)
def test_passwords_in_the_environment_are_taken_over() -> None:
    """A stack with data gets passwords with every character that means something somewhere; all of it works on, and none
    is in a command line. Break: `postgres --single`, or `restart: true`, in docker-compose.yml.
    """
    odd = "p/w#d?@: $HOME %2F\\ \"q\" 'x' end"
    environ = {name: f"{odd}{name[0]}" for name in ("POSTGRES_PASSWORD", "REDIS_PASSWORD", "COBALT_DASHBOARD_PASSWORD")}
    before = query("SELECT count(*) FROM hosts")
    compose("up", "-d", "--wait", "--pull", "never", env={**os.environ, **environ})
    doctor = json.loads(compose("exec", "-T", "dashboard", "sh", "-c", "cobalt doctor --json || true"))
    assert {name for name, check in doctor.items() if not check["ok"]} <= {"geolocation"}
    assert query("SELECT count(*) FROM hosts") == before
    assert status_of("http://127.0.0.1:8080/", environ["COBALT_DASHBOARD_PASSWORD"]) == 200
    assert "p/w#d" not in compose("top")


def status_of(url: str, password: str | None) -> int:
    """What an HTTP server answers, with or without the login."""
    request = urllib.request.Request(url)
    if password is not None:
        request.add_header("Authorization", "Basic " + b64encode(f"cobalt:{password}".encode()).decode())
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def inspect(container: str, what: str) -> str:
    """One property of a container."""
    command = ["docker", "inspect", "-f", what, container]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.strip()
