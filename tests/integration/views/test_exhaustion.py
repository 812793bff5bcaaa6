"""What many or slow clients can do to the page: connections, requests and streams are bounded, and health answers."""

import contextlib
import select
import socket
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from cobalt_tasks.core.settings import Settings
from cobalt_tasks.views.dashboard import http_deadlines, stream

Serving = Callable[[Settings], Any]
GET = b"GET %s HTTP/1.1\r\nHost: localhost\r\n"


def connect(url: str, sent: bytes = b"") -> socket.socket:
    """A connection on which this was sent."""
    where = urlsplit(url)
    connection = socket.create_connection((where.hostname or "", where.port or 80), 20)
    connection.sendall(sent)
    return connection


def health(url: str) -> str:
    """What the health check says of the database, in time for a container that is asked every few seconds."""
    return str(requests.get(f"{url}/api/health", timeout=20).json()["components"]["database"]["status"])


def is_ended(connection: socket.socket, seconds: float = 30) -> bool:
    """Whether the server ends a connection; what it still sends is passed over."""
    deadline = time.monotonic() + seconds
    with contextlib.suppress(ConnectionResetError):
        with connection:
            while time.monotonic() < deadline:
                if select.select([connection], [], [], 1)[0] and not connection.recv(65536):
                    return True
        return False
    return True


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"G",
        GET % b"/api/data",
        (GET + b"Content-Length: 100\r\n\r\nx") % b"/api/health",
        (GET + b"\r\n" + GET) % (b"/api/health", b"/api/health"),
    ],
)
def test_a_request_must_come_in_time(
    sqlite_settings: Settings, serving: Serving, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    """No first byte, half a header, half a body, half of a second request: the connection is ended."""
    monkeypatch.setattr(http_deadlines, "REQUEST_SECONDS", 0.5)
    with serving(sqlite_settings) as url:
        assert is_ended(connect(url, sent))


def test_a_client_that_drips_is_ended_too(
    sqlite_settings: Settings, serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A byte now and then does not move the deadline (slowloris)."""
    monkeypatch.setattr(http_deadlines, "REQUEST_SECONDS", 1.0)
    with serving(sqlite_settings) as url, connect(url, GET % b"/") as connection:
        for _ in range(200):
            try:
                connection.sendall(b"X")
            except OSError:
                break
            time.sleep(0.1)
        else:
            pytest.fail("the connection is still open")


def test_a_stream_that_is_not_read_is_ended(
    sqlite_settings: Settings, serving: Serving, monkeypatch: pytest.MonkeyPatch, connect_many: Callable[[], None]
) -> None:
    """A client that reads nothing of its stream loses it, and the room it took is free again."""
    monkeypatch.setattr(http_deadlines, "STALL_SECONDS", 0.5)
    monkeypatch.setattr(stream, "EVERY_SECONDS", 0.001)
    monkeypatch.setattr(stream, "MOST", 1)
    connect_many()
    with serving(sqlite_settings) as url:
        held = connect(url, (GET + b"\r\n") % b"/api/stream")
        deadline = time.monotonic() + 60
        while True:
            with requests.get(f"{url}/api/stream", stream=True, timeout=20) as answer:
                if answer.status_code == 200:
                    break
            assert time.monotonic() < deadline
            time.sleep(0.1)
        held.close()


@pytest.fixture
def connect_many(sqlite_database: Any, connect: Callable[..., None]) -> Callable[[], None]:
    """Fills the ledger so that a document of the stream is large."""
    return lambda: connect(sqlite_database, [f"198.51.100.{n}" for n in range(200)], age=0)


def test_a_burst_of_streams_does_not_pass_the_bound(
    sqlite_settings: Settings, serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sixty streams asked for at once: as many open as may be, the others are refused; likewise for one client."""
    for total, of_one, fits in ((10, 50, 10), (50, 5, 5)):
        monkeypatch.setattr(stream, "MOST", total)
        monkeypatch.setattr(stream, "MOST_OF_ONE", of_one)
        with serving(sqlite_settings) as url:
            asked = [connect(url, (GET + b"\r\n") % b"/api/stream") for _ in range(60)]
            answers = [each.recv(12) for each in asked]
            for each in asked:
                each.close()
        assert answers.count(b"HTTP/1.1 200") == fits
        assert answers.count(b"HTTP/1.1 503") == 60 - fits


def test_health_answers_beside_a_flood_of_connections(
    sqlite_settings: Settings, serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice as many idle connections as there may be: those that wait longest go, and a new one is answered."""
    monkeypatch.setattr(http_deadlines, "CONNECTIONS", 50)
    with serving(sqlite_settings) as url:
        held = [connect(url, GET % b"/") for _ in range(100)]
        assert health(url) == "ACTIVE"
        assert all(is_ended(each) for each in held[:40])
        for each in held:
            each.close()


def test_health_answers_while_every_request_waits(
    sqlite_settings: Settings, serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When as many requests as may run wait for the database, more are refused at once, and health answers."""
    held = threading.Event()
    monkeypatch.setattr(
        "cobalt_tasks.views.dashboard.lists.hosts", lambda *_: held.wait(60) and {"items": [], "next": None}
    )
    with serving(sqlite_settings) as url:
        asked = [connect(url, (GET + b"\r\n") % b"/api/hosts") for _ in range(60)]
        try:
            refused = [each for each in asked[48:] if select.select([each], [], [], 30)[0]]
            assert len(refused) == 12
            assert {each.recv(12) for each in refused} == {b"HTTP/1.1 503"}
            assert health(url) == "ACTIVE"
        finally:
            held.set()
        assert {each.recv(12) for each in asked[:48]} == {b"HTTP/1.1 200"}
        for each in asked:
            each.close()


def test_a_header_is_bounded(sqlite_settings: Settings, serving: Serving) -> None:
    """A query string or a header that never ends is refused, not gathered."""
    with serving(sqlite_settings) as url:
        for sent in (b"GET /?" + b"x" * 200_000, b"GET / HTTP/1.1\r\nX: " + b"x" * 200_000):
            connection = connect(url)
            with contextlib.suppress(OSError):
                connection.sendall(sent)
            assert is_ended(connection)
