"""`cobalt dashboard` as a process."""

import re
import signal
import socket
import subprocess
import sys
import time

import requests

from cobalt_tasks.settings import Settings
from cobalt_tasks.storage.engine import Database


def start(*arguments: str) -> "subprocess.Popen[str]":
    """Start it with what it says on standard error caught."""
    command = [sys.executable, "-m", "cobalt_tasks", "dashboard", *arguments]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def test_taken_port_is_one_clear_line(sqlite_database: Database, settings: Settings) -> None:
    """A port somebody else listens on ends it with code 2 and one line that names the port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with start("--port", str(port)) as process:
            said = process.communicate(timeout=30)[1]
    assert process.returncode == 2
    assert re.fullmatch(rf"cobalt: cannot listen on 127\.0\.0\.1 port {port}: .*\n", said)


def test_stops_while_streams_are_open(sqlite_database: Database, settings: Settings) -> None:
    """SIGTERM ends it with code 0 within seconds, also while somebody watches, and it says nothing of trouble."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with start("--port", str(port)) as process:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                stream = requests.get(f"http://127.0.0.1:{port}/api/stream", stream=True, timeout=20)
                break
            except requests.ConnectionError:
                time.sleep(0.05)
        next(stream.iter_lines())
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=8)[1]
        stream.close()
    assert process.returncode == 0
    assert said == f"cobalt: the page is on http://127.0.0.1:{port}\n"


def test_open_to_others_is_said(sqlite_database: Database, settings: Settings) -> None:
    """Listening for other machines without a password is allowed, and said."""
    with (
        socket.create_server(("0.0.0.0", 0)) as taken,
        start("--host", "0.0.0.0", "--port", str(taken.getsockname()[1])) as process,
    ):
        said = process.communicate(timeout=30)[1]
    assert "anybody who reaches 0.0.0.0 can read this page" in said
