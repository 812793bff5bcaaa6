"""What one client of the page can do to the others, and what it can learn from how long an answer takes."""

import hmac
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
import requests

from cobalt_tasks.core.settings import Settings, load
from cobalt_tasks.db.engine import Database
from tests.support.waiting import PATIENCE


def test_clients_that_dawdle_hold_up_nobody(
    sqlite_database: Database, settings: Settings, serving: Callable[[Settings], Any]
) -> None:
    """Twenty connections with half a request, and a stream that is never read, leave the page as quick as before."""
    with serving(load()) as url:
        where = urlsplit(url)
        assert where.hostname is not None
        idle = [socket.create_connection((where.hostname, where.port or 80), 5) for _ in range(21)]
        for each in idle[1:]:
            each.sendall(b"GET /api/data HTTP/1.1\r\nHost: localhost\r\n")
        idle[0].sendall(b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for path in ("/", "/api/data", "/api/health"):
            assert requests.get(f"{url}{path}", timeout=PATIENCE).status_code in {200, 503}
        for each in idle:
            each.close()


def test_a_password_is_compared_in_constant_time(
    sqlite_database: Database, settings: Settings, serving: Callable[[Settings], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """How long a refusal takes does not tell how much of a password was right."""
    compared: list[tuple[bytes, bytes]] = []
    real = hmac.compare_digest

    def compare(given: bytes, expected: bytes) -> bool:
        compared.append((given, expected))
        return real(given, expected)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    guarded = msgspec.structs.replace(load(), dashboard_user="ann", dashboard_password="secret")
    with serving(guarded) as url:
        assert requests.get(f"{url}/api/data", auth=("ann", "secreT"), timeout=PATIENCE).status_code == 401
        assert requests.get(f"{url}/api/data", auth=("ann", "secret"), timeout=PATIENCE).status_code == 200
    assert compared == [(b"ann:secreT", b"ann:secret"), (b"ann:secret", b"ann:secret")]


def test_there_is_no_default_password(
    sqlite_database: Database, settings: Settings, serving: Callable[[Settings], Any]
) -> None:
    """Where a password is set, nobody's usual one opens; where none is set, none is pretended."""
    guarded = msgspec.structs.replace(load(), dashboard_user="ann", dashboard_password="secret")
    with serving(guarded) as url:
        for usual in (("admin", "changeme"), ("admin", "admin"), ("", "")):
            assert requests.get(f"{url}/api/data", auth=usual, timeout=PATIENCE).status_code == 401
    with serving(load()) as url:
        assert requests.get(f"{url}/api/data", timeout=PATIENCE).status_code == 200
