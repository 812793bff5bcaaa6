"""`cobalt capture` tells this machine's own connections, each once."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from cobalt_tasks.core.errors import CobaltError
from cobalt_tasks.ingest import own_connections
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.formats import named, recognise
from cobalt_tasks.ingest.own_connections import Watcher
from tests.support.waiting import PATIENCE

COBALT = [sys.executable, "-c", "from cobalt_tasks.cli import main; main()"]


@pytest.fixture
def connection() -> Iterator[tuple[socket.socket, int]]:
    """A connection of this machine with itself; its client end, and the port it goes to."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        accepted, _ = server.accept()
        with accepted, client:
            yield client, port


def told(watcher: Watcher, port: int) -> list[dict[str, Any]]:
    """Look, and return what is told of connections to a port."""
    return [line for each in watcher.look() if (line := json.loads(each))["dst_port"] == port]


def test_a_connection_is_told_once(connection: tuple[socket.socket, int]) -> None:
    """With both ends, protocol and process; not again while it stays."""
    client, port = connection
    watcher = Watcher(loopback=True)
    (line,) = told(watcher, port)
    assert (line["type"], line["src_ip"], line["src_port"]) == ("connection", *client.getsockname())
    assert (line["dst_ip"], line["metadata"]["protocol"]) == ("127.0.0.1", "TCP")
    assert "python" in line["metadata"]["process"]
    assert abs(line["timestamp"] - time.time()) < 10
    assert told(watcher, port) == []


def test_the_side_that_listens_is_the_server() -> None:
    """Of a connection that another machine opened to a port of this one, that machine is the source.

    Break: `listening` in own_connections.look.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code = f"import socket; s = socket.create_connection(('127.0.0.1', {port}), source_address=('127.0.0.9', 0)); input()"
        with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as other:
            accepted, peer = server.accept()
            with accepted:
                lines = [json.loads(each) for each in Watcher(loopback=True).look()]
            other.communicate(b"\n")
    (line,) = [each for each in lines if port in {each["src_port"], each["dst_port"]}]
    assert (line["src_ip"], line["src_port"], line["dst_ip"], line["dst_port"]) == (*peer, "127.0.0.1", port)


def test_connections_with_itself_are_left_out(connection: tuple[socket.socket, int]) -> None:
    """Loopback connections show no peers."""
    assert told(Watcher(), connection[1]) == []


def test_a_connection_to_any_port_is_told() -> None:
    """Also to 8080, where a page may be: no port is left out. (An address of its own, for the port may be taken.)"""
    with socket.create_server(("127.8.0.80", 8080)) as server, socket.create_connection(server.getsockname()):
        (line,) = [each for each in told(Watcher(loopback=True), 8080) if each["dst_ip"] == "127.8.0.80"]
    assert line["type"] == "connection"


def test_its_lines_are_what_ingest_reads(connection: tuple[socket.socket, int]) -> None:
    """Every line is recognised and accepted, heartbeats are ignored."""
    watcher = Watcher(loopback=True)
    lines = list(watcher.look())
    text = b"".join([*lines, watcher.heartbeat()])
    chosen = recognise(text)
    assert chosen is named("capture")
    batch = Batch(1, time.time())
    named("capture")().parse(text, 0, batch)
    assert (len(batch.observations), batch.ignored, batch.rejects) == (len(lines), 1, [])


def test_new_ones_are_told_until_it_is_stopped() -> None:
    """A connection made while it runs is told within moments; SIGTERM and a reader that goes end it quietly."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        running = subprocess.Popen(
            [*COBALT, "capture", "--loopback", "--interval", "0.1"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ},
        )
        assert running.stdout is not None
        with socket.create_connection(("127.0.0.1", port)):
            while json.loads(running.stdout.readline()).get("dst_port") != port:
                pass
        running.send_signal(signal.SIGTERM)
        _, err = running.communicate(timeout=PATIENCE)
        assert (running.returncode, err) == (0, b"")


def test_a_process_that_has_gone_has_no_name(
    connection: tuple[socket.socket, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connection counts without one, and names are remembered up to a bound.

    Break: `psutil.Error` in `_name`, or `_REMEMBERED_NAMES`.
    """
    asked: list[int] = []

    def gone(pid: int) -> None:
        asked.append(pid)
        raise psutil.NoSuchProcess(pid)

    monkeypatch.setattr(psutil, "Process", gone)
    monkeypatch.setattr(own_connections, "_REMEMBERED_NAMES", 1)
    watcher = Watcher(loopback=True)
    (line,) = told(watcher, connection[1])
    assert line["metadata"].get("process") is None
    assert os.getpid() in asked
    assert len(watcher._names) <= 1


def test_a_system_that_shows_nothing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """As macOS shows sockets to root alone: the error names what to do."""

    def denied(**_: Any) -> None:
        raise psutil.AccessDenied(1)

    monkeypatch.setattr(psutil, "net_connections", denied)
    with pytest.raises(CobaltError, match="run it with sudo"):
        list(Watcher().look())


def test_a_heartbeat_is_written_between_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a reader knows that a quiet capture still runs; the watch ends when it is asked to."""
    monkeypatch.setattr(own_connections, "HEARTBEAT_SECONDS", 0.0)
    written: list[bytes] = []
    looks = iter([False, True])
    own_connections.watch(written.append, interval=0.0, loopback=False, stopping=lambda _: next(looks))
    beats = [beat for each in written if (beat := json.loads(each))["type"] == "heartbeat"]
    assert [each["scan_count"] for each in beats] == [1, 2]
