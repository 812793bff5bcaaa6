"""Providers that lie, are slow, or send headers that make no sense: what becomes of the jobs."""

import gzip
import json
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from sqlalchemy import select

from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import breakers, quotas
from tests.support.geolocation import Ledger, say


def raw(sent: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    """Return a lie to tell instead of HTTP."""

    def misbehave(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        with suppress(OSError):
            handler.wfile.write(sent)

    return misbehave


def drip(handler: BaseHTTPRequestHandler) -> None:
    """Send a byte now and then, for ever."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    for _ in range(600):
        handler.wfile.write(b"[")
        handler.wfile.flush()
        time.sleep(0.1)


def continue_for_ever(handler: BaseHTTPRequestHandler) -> None:
    """Promise an answer again and again."""
    with suppress(OSError):
        while True:
            handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)


def drip_headers(handler: BaseHTTPRequestHandler) -> None:
    """Never come to the end of a header."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    for _ in range(600):
        handler.wfile.write(b"x")
        handler.wfile.flush()
        time.sleep(0.1)


ENTRY = b'{"query": "9.9.9.9", "status": "success", "countryCode": "EX"}'

LIES: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {
    "HTML": say(200, b"<html><body>Welcome to our hotel Wi-Fi</body></html>"),
    "wrong types": say(200, b'[{"query": 8, "status": true}]'),
    "a wrong type in one field": say(200, b'[{"query": "9.9.9.9", "status": "success", "lat": "north"}]'),
    "not a list": say(200, b'{"query": "9.9.9.9", "status": "success"}'),
    "10 MiB": say(200, b"[" + ENTRY + b" " * (10 << 20) + b"]"),
    "a deep nest": say(200, b"[" * 500_000),
    "a deep nest where anything may be": say(200, b"[" + ENTRY.replace(b"}", b', "zip": ' + b"[" * 500_000)),
    "nothing": say(200, b""),
    "cut": say(200, b"[", **{"Content-Length": "1000"}),
    "an endless redirect": say(307, b"", Location="/batch"),
    "a server error": say(500, b"oops"),
    "no leave": say(403, b""),
    "gzip": say(200, b"\x1f\x8b\x08\x00" + b"\x00" * 100, **{"Content-Encoding": "gzip"}),
    "another host's address": say(
        200, b'[{"query": "8.8.8.8", "status": "success", "country": "X", "lat": 1, "lon": 1}]'
    ),
    "half a list": say(200, b"[]"),
    "a coordinate that is no number": say(200, b"[" + ENTRY.replace(b"}", b', "lat": NaN, "lon": 1}]')),
    "an endless coordinate": say(200, b"[" + ENTRY.replace(b"}", b', "lat": -Infinity, "lon": 1}]')),
    "a coordinate beyond numbers": say(200, b"[" + ENTRY.replace(b"}", b', "lat": 1e400, "lon": 1}]')),
    "a coordinate of 400 digits": say(200, b"[" + ENTRY.replace(b"}", b', "lat": ' + b"1" * 400 + b', "lon": 1}]')),
    "a number of 5,000 digits": say(200, b"[" + ENTRY.replace(b"}", b', "zip": ' + b"1" * 5000 + b"}]")),
    "no UTF-8": say(200, b'[{"query": "9.9.9.9", "status": "success", "countryCode": "EX", "city": "\xff"}]'),
    "a gzip bomb": say(200, gzip.compress(bytes(64 << 20)), **{"Content-Encoding": "gzip"}),
    "a brotli bomb": say(200, b"\x0b\x00" * 100, **{"Content-Encoding": "br"}),
    "a chunk of terabytes": raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFF\r\n[" + b" " * 999),
    "a chunk below nothing": raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n[]\r\n0\r\n\r\n"),
    "chunks of one byte": raw(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * (1 << 15) + b"0\r\n\r\n"
    ),
    "a length below nothing": say(200, b"[]", **{"Content-Length": "-5"}),
    "a length in other digits": say(200, b"[]", **{"Content-Length": "\u00b2"}),
    "a thousand headers": raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n[]"),
    "a header of a megabyte": raw(b"HTTP/1.1 200 OK\r\nX: " + b"y" * (1 << 20) + b"\r\n\r\n[]"),
    "no HTTP": raw(b"SSH-2.0-OpenSSH_9.6p1\r\n"),
    "another version of HTTP": raw(b"HTTP/9.9 200 OK\r\nContent-Length: 2\r\n\r\n[]"),
    "no content": say(204, b""),
    "a part of the content": say(206, b"[" + ENTRY + b"]"),
    "redirected to a file": say(301, b"", Location="file:///etc/passwd"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_provider_that_lies_costs_one_batch_and_nothing_else(
    sqlite_database: Database, configured: Settings, ip_api: Any, lie: str
) -> None:
    """The attempt is lost, nothing is stored, and the next honest answer is taken."""
    ledger = Ledger(sqlite_database, configured)
    ip_api.misbehave = LIES[lie]
    ledger.add("9.9.9.9")
    ledger.local()
    ledger.pass_time(2)
    assert ledger.remote() == 1
    assert ledger.states() == {"pending: no provider": 1}
    assert ledger.location("9.9.9.9") is None
    assert ledger.location("8.8.8.8") is None
    assert len(ip_api.calls) == 1
    ip_api.misbehave = None
    ledger.pass_time(400)
    ledger.local()
    ledger.pass_time(2)
    assert ledger.remote() == 1
    assert ledger.states() == {"done: located": 1}


@pytest.mark.parametrize("slow", [drip, drip_headers, continue_for_ever])
def test_slow_bytes_end_at_the_deadline(
    sqlite_database: Database,
    configured: Settings,
    ip_api: Any,
    slow: Callable[[BaseHTTPRequestHandler], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A peer that is never late for a single read is late for the whole."""
    monkeypatch.setattr("cobalt_tasks.geolocation.providers.base.ASK_SECONDS", 0.6)
    ledger = Ledger(sqlite_database, configured)
    ip_api.misbehave = slow
    ledger.add("9.9.9.9")
    ledger.local()
    ledger.pass_time(2)
    started = time.monotonic()
    assert ledger.remote() == 1
    # Each of them goes on for a minute, or for ever.
    assert time.monotonic() - started < 30
    assert ledger.states() == {"pending: no provider": 1}


@pytest.mark.parametrize(
    "value", ["-1", "garbage", "9" * 30, "1e9", "nan", "inf", "1.5", "", "\u00b2", "0x10", "999999999"]
)
@pytest.mark.parametrize("header", ["X-Rl", "X-Ttl", "Retry-After"])
def test_headers_that_make_no_sense_change_no_budget(
    sqlite_database: Database, configured: Settings, ip_api: Any, header: str, value: str
) -> None:
    """Neither is the window opened by them nor closed for longer than it is; the answer counts."""
    ledger = Ledger(sqlite_database, configured)
    ip_api.misbehave = say(200, b"[" + ENTRY + b"]", **{header: value})
    ledger.add("9.9.9.9")
    ledger.local()
    ledger.pass_time(2)
    began = time.time()
    assert ledger.remote() == 1
    took = time.time() - began
    assert ledger.states() == {"done: located": 1}
    with sqlite_database.reading() as connection:
        used, ends_after = connection.execute(select(quotas.c.used, quotas.c.resets_at - began)).one()
    assert used == 1
    assert 58 < ends_after <= 61 + took


@pytest.mark.parametrize("value", ["-1", "garbage", "9" * 30, "999999999", "Wed, 21 Oct 2099 07:28:00 GMT"])
def test_a_refusal_keeps_nobody_away_for_longer_than_a_day(
    sqlite_database: Database, configured: Settings, ip_api: Any, value: str
) -> None:
    """However long a provider asks to be left alone."""
    ledger = Ledger(sqlite_database, configured)
    ip_api.misbehave = say(429, b"", **{"Retry-After": value, "X-Ttl": value})
    ledger.add("9.9.9.9")
    ledger.local()
    ledger.pass_time(2)
    ledger.remote()
    with sqlite_database.reading() as connection:
        pause = connection.execute(select(breakers.c.open_until - time.time())).scalar_one()
    assert 40 < pause <= 86400 + 2


def test_two_answers_about_one_address_are_one(sqlite_database: Database, configured: Settings, ip_api: Any) -> None:
    """Repeated, contradicted, in any order and in another spelling: one location, one final job."""
    entries = [
        {"query": "9.9.9.9", "status": "fail", "message": "reserved range"},
        {"query": "::ffff:9.9.9.9", "status": "success", "countryCode": "FR"},
        {"query": "9.9.9.9", "status": "success", "countryCode": "DE"},
        {"query": "9.9.9.9 ", "status": "success", "countryCode": "US"},
        {"query": "11.0.0.1", "status": "success", "countryCode": "US"},
    ] * 50
    ledger = Ledger(sqlite_database, configured)
    ip_api.misbehave = say(200, json.dumps(entries).encode())
    ledger.add("9.9.9.9")
    ledger.local()
    ledger.pass_time(2)
    assert ledger.remote() == 1
    assert ledger.states() == {"done: located": 1}
    assert ledger.location("9.9.9.9").country_code == "DE"
    assert ledger.location("11.0.0.1") is None


def test_text_from_a_provider_is_data(sqlite_database: Database, configured: Settings, ip_api: Any) -> None:
    """NUL, controls and markup are stored as what they are, on PostgreSQL too."""
    entry = {
        "query": "9.9.9.9",
        "status": "success",
        "country": "a\u0000b",
        "countryCode": "DE",
        "city": "<script>",
        "lat": 0,
        "lon": 0,
    }
    ledger = Ledger(sqlite_database, configured)
    ip_api.misbehave = say(200, json.dumps([entry]).encode())
    ledger.add("9.9.9.9")
    ledger.local()
    ledger.pass_time(2)
    ledger.remote()
    found = ledger.location("9.9.9.9")
    assert (found.country_name, found.city, found.latitude) == ("a\\x00b", "<script>", None)
