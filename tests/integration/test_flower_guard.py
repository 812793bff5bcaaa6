"""Flower's guards, on a real Flower: the login, the names it answers to, requests of other sites."""

import base64
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import free_port
from tests.support.waiting import PATIENCE

FLOWER = [sys.executable, "-m", "celery", "-A", "cobalt_tasks", "flower"]
"""Without an option: the guards hold however it is started. Break: FLOWER_CONF in cobalt_tasks/celery.py."""
INSTALLED = "from cobalt_tasks.views import flower_guard; flower_guard.install()\n"
USER, PASSWORD = "ann", "pässword:1"

Start = Callable[..., str]


@pytest.fixture
def start(redis_url: str, sqlite_url: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts a Flower with settings of the environment; its address."""
    monkeypatch.setenv("COBALT_DATABASE_URL", sqlite_url)
    started: list[subprocess.Popen[bytes]] = []

    def begin(address: str = "127.0.0.1", **settings: str) -> str:
        port = free_port()
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": {**os.environ, **settings}}
        started.append(subprocess.Popen([*FLOWER, f"--address={address}", f"--port={port}"], cwd=home, **quiet))
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        while ask(url, "/healthcheck") != 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        return url

    yield begin
    for process in started:
        process.terminate()
        process.wait(PATIENCE)


def ask(url: str, path: str = "/", method: str = "GET", **headers: str) -> int:
    """The status of a request; 0 while nothing listens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url + path, headers=named, method=method)
    try:
        answer = urllib.request.urlopen(request, timeout=PATIENCE)
    except urllib.error.HTTPError as refused:
        answer = refused
    except OSError:
        return 0
    with answer:
        assert answer.headers["X-Frame-Options"] == "DENY"
        return int(answer.status)


def test_flower_answers_to_its_own_names(start: Start) -> None:
    """A site whose name was made to lead here reads nothing, and no browser acts for another site."""
    url = start(COBALT_ALLOWED_HOSTS="sensor.example")
    slow = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), 60)
    slow.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
    for path in ("/", "/tasks", "/broker", "/metrics", "/healthcheck", "/static/js/flower.js", "/nothing"):
        assert ask(url, path, host="evil.example") == 421, path
    assert ask(url) == ask(url, host="localhost:1") == ask(url, host="SENSOR.example.:5555") == 200
    assert ask(url, sec_fetch_site="cross-site", sec_fetch_mode="cors") == 403
    assert ask(url, origin="https://evil.example") == 403
    assert ask(url, "/api/worker/shutdown/x", "POST", host="evil.example") == 421
    assert ask(url, "/api/worker/shutdown/x", "POST") == 401
    with slow:
        # Half a request is not waited for.
        assert slow.recv(1) == b""


def test_flower_asks_for_the_login_of_the_page(start: Start) -> None:
    """With the login set everything but its health check asks for it, its metrics too; guesses are slowed down."""
    url = start("0.0.0.0", COBALT_DASHBOARD_USER=USER, COBALT_DASHBOARD_PASSWORD=PASSWORD)
    right = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    for path in ("/", "/tasks", "/metrics", "/api/workers", "/static/js/flower.js"):
        assert ask(url, path) == 401, path
        assert ask(url, path, authorization=right) == 200, path
    answers = [ask(url, authorization="Basic " + base64.b64encode(b"ann:%d" % n).decode()) for n in range(11)]
    assert answers == [401] * 10 + [429]
    assert ask(url, "/healthcheck") == 200


@pytest.mark.parametrize("address", ["", "0.0.0.0", "::"])
def test_flower_does_not_start_open(address: str, redis_url: str, home: Path) -> None:
    """On an address that other machines reach, without a login: exit 2 and one line that says what to set."""
    done = subprocess.run(
        [*FLOWER, f"--address={address}", "--port=1"],
        cwd=home,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "COBALT_DASHBOARD_PASSWORD" in done.stderr
    assert "COBALT_NO_LOGIN" in done.stderr


@pytest.mark.parametrize("how", ["--conf", "FLOWER_CONF"])
def test_a_configuration_without_guards_is_refused(how: str, redis_url: str, home: Path, tmp_path: Path) -> None:
    """Flower does not start with a file that does not install them: exit 2 and one line with what to add.

    With that line it has the guards, also for what the file itself sets. Break: `_require_guards` in celery.py.
    """
    conf = tmp_path / "own.py"
    given = {"env": os.environ | {"FLOWER_CONF": str(conf)}} if how == "FLOWER_CONF" else {}
    options = [f"--conf={conf}"] if how == "--conf" else []
    for lines, words in (("", "flower_guard.install()"), (INSTALLED, "COBALT_DASHBOARD_PASSWORD")):
        conf.write_text(f'max_tasks = 7\naddress = "0.0.0.0"\n{lines}')
        done = subprocess.run(
            [*FLOWER, "--port=1", *options],
            cwd=home,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            **given,  # type: ignore[call-overload]
        )
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert words in done.stderr
