"""`cobalt dashboard` as a process."""

import re
import signal
import socket
import subprocess
import sys

import pytest
import requests

from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db.engine import Database
from tests.support.waiting import PATIENCE, wait_until


def start(*arguments: str) -> "subprocess.Popen[str]":
    """Start it with what it says on standard error caught."""
    command = [sys.executable, "-m", "cobalt_tasks", "dashboard", *arguments]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def opened(url: str) -> requests.Response | None:
    """A stream of the page's; nothing while it starts."""
    try:
        return requests.get(url, stream=True, timeout=PATIENCE)
    except requests.ConnectionError:
        return None


def test_taken_port_is_one_clear_line(sqlite_database: Database, settings: Settings) -> None:
    """A port that another program listens on ends it with code 2 and one line that names the port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with start("--port", str(port)) as process:
            said = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == 2
    assert re.fullmatch(rf"cobalt: cannot listen on 127\.0\.0\.1 port {port}: .*\n", said)


def test_stops_while_streams_are_open(sqlite_database: Database, settings: Settings) -> None:
    """SIGTERM ends it with code 0, also while a client watches, and it says nothing of trouble."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with start("--port", str(port)) as process:
        stream = wait_until(lambda: opened(f"http://127.0.0.1:{port}/api/stream"), "the page answers")
        next(stream.iter_lines())
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=PATIENCE)[1]
        stream.close()
    assert process.returncode == 0
    assert said == f"cobalt: the page is on http://127.0.0.1:{port}\n"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "0"])
def test_other_machines_need_a_login(sqlite_database: Database, settings: Settings, host: str) -> None:
    """On an address that other machines reach, the page does not start without a login: exit 2, what to set, one line."""
    with start("--host", host, "--port", "1") as process:
        said = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == 2
    assert said.count("\n") == 1
    for word in ("COBALT_DASHBOARD_USER", "COBALT_DASHBOARD_PASSWORD", "--no-login"):
        assert word in said


def test_an_open_page_is_warned_of(sqlite_database: Database, settings: Settings) -> None:
    """With --no-login it starts without a login, and says so."""
    with (
        socket.create_server(("0.0.0.0", 0)) as taken,
        start("--host", "0.0.0.0", "--no-login", "--port", str(taken.getsockname()[1])) as process,
    ):
        said = process.communicate(timeout=PATIENCE)[1]
    assert "can read the page without a login" in said
    assert "cannot listen" in said
