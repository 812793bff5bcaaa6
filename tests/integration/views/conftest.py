"""A ledger with one of everything, written through the storage as workers and ingest write it, and a server on it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import uvicorn
from sqlalchemy import insert, update

from cobalt_tasks.core.records import Banner, Certificate, Facts, Hostname, Location, NewJob, Sighting
from cobalt_tasks.core.settings import Settings, load
from cobalt_tasks.db import tables as models
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts import facts
from cobalt_tasks.jobs import creation
from cobalt_tasks.views.dashboard.app import create_app
from cobalt_tasks.views.dashboard.server import server_config
from tests.support.recount import recount
from tests.support.waiting import PATIENCE, wait_until

Fill = Callable[[Database], None]


def get(url: str, **options: Any) -> requests.Response:
    """A GET with a deadline, outside any session."""
    return requests.get(url, timeout=PATIENCE, **options)


@pytest.fixture
def settings(home: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings with a state folder of their own and a Redis that does not answer."""
    monkeypatch.setenv("COBALT_BROKER_URL", "redis://127.0.0.1:1/0")
    return load()


@pytest.fixture
def live_settings(database: Database, settings: Settings) -> Settings:
    """Settings that name the ledger of this test."""
    return load()


@pytest.fixture
def sqlite_settings(sqlite_database: Database, settings: Settings) -> Settings:
    """The same on SQLite alone."""
    return load()


@pytest.fixture
def fill() -> Fill:
    """What writes the sample into a ledger."""
    return _fill


@pytest.fixture
def connect() -> Callable[..., None]:
    """What writes connections that arrived `age` seconds ago."""
    return _connect


@pytest.fixture
def serving() -> Callable[[Settings], object]:
    """What serves the page on a free port: a context that gives its URL."""
    return _serving


@contextmanager
def _serving(settings: Settings) -> Iterator[str]:
    config = server_config(create_app(settings))
    config.port, config.timeout_graceful_shutdown = 0, 1
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started, "the page's server has started")
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.config.app.state.streams.stop()
        server.should_exit = True
        thread.join(PATIENCE)


def _connect(database: Database, destinations: list[str], age: float = 1.0) -> None:
    at = time.time() - age
    row = {"source_id": 1, "observed_at": at, "arrived_at": at, "src_ip": "192.168.1.2", "dst_port": 443}
    with database.writing() as connection:
        rows = [{**row, "src_port": 40000, "dst_ip": address, "protocol": "tcp"} for address in destinations]
        connection.execute(insert(models.observations), rows)
        recount(connection)


def _fill(database: Database) -> None:
    now = time.time()
    located = {"fetched_at": now - 60, "provider": "mmdb"}
    found = Facts(
        locations=[
            Location(
                address="198.51.100.7", country_code="NL", country_name="Netherlands", city="Amsterdam",
                latitude=52.37, longitude=4.89, asn=64496, organisation='=HYPERLINK("http://evil")', **located,
            ),
            Location(address="198.51.100.8", country_code="GH", latitude=0.0, longitude=0.0, **located),
        ],
        hostnames=[
            Hostname(address="198.51.100.7", name="<b>hostile</b>.example", source="ptr", observed_at=now, confirmed=True),
            Hostname(address="198.51.100.7", name="www.example.com", source="certificate", observed_at=now),
        ],
        banners=[
            Banner(
                address="198.51.100.7", protocol="tcp", port=22, source="probe", observed_at=now,
                text="SSH-2.0-OpenSSH_9.6p1\x1b[2J", raw=b"SSH-2.0-OpenSSH_9.6p1\x1b[2J", service="ssh", product="OpenSSH",
            ),
        ],
        certificates=[
            Certificate(
                fingerprint="ab" * 32, der=b"0", subject="CN=www.example.com", issuer="CN=Example CA", serial="1",
                not_before=now - 86400, not_after=now + 86400, self_signed=False, names=("example.com", "www.example.com"),
            ),
        ],
        sightings=[
            Sighting(address="198.51.100.7", protocol="tcp", port=443, fingerprint="ab" * 32, source="probe", observed_at=now),
        ],
    )  # fmt: skip
    with database.writing() as connection:
        counters = {"read": 9, "accepted": 5, "duplicates": 1, "rejected": 2, "ignored": 1}
        source = {"name": "capture.jsonl", "created_at": now, "updated_at": now, **counters}
        source_id = connection.execute(
            insert(models.sources).values(source).returning(models.sources.c.id)
        ).scalar_one()
        reject = {"source_id": source_id, "position": 12, "reason": "no JSON", "line": b"{", "arrived_at": now}
        connection.execute(insert(models.rejects), [reject])
        hosts = ["198.51.100.7", "198.51.100.8", "198.51.100.9", "192.168.1.2"]
        rows = [
            {"address": a, "first_seen": now - 60, "last_seen": now - i, "discovered": i == 0}
            for i, a in enumerate(hosts)
        ]
        connection.execute(insert(models.hosts), rows)
        recount(connection)
        facts.write(connection, found)
        creation.create(connection, [NewJob(kind="geolocation", address=address) for address in hosts[:3]])
        creation.create(connection, [NewJob(kind="banner", address="198.51.100.7", protocol="tcp", port=22)])
        row = models.jobs.c
        ended = {"started_at": now - 2, "finished_at": now - 1}
        is_geolocation = row.kind == "geolocation"
        connection.execute(
            update(models.jobs)
            .where(is_geolocation, row.address != hosts[2])
            .values(state="done", outcome="located", **ended),
        )
        connection.execute(
            update(models.jobs).where(row.address == hosts[2]).values(state="failed", outcome="no provider", **ended),
        )
        endings = [
            {"fresh_until": now + 60, "paused_until": None},
            {"fresh_until": now + 60, "paused_until": None},
            {"fresh_until": None, "paused_until": now + 60},
        ]
        for address, ending in zip(hosts[:3], endings, strict=True):
            known = models.freshness.c.kind == "geolocation", models.freshness.c.address == address
            connection.execute(update(models.freshness).where(*known).values(ending))
        budget = {
            "provider": "ip-api",
            "window": 60.0,
            "calls": 15,
            "used": 4,
            "started_at": now,
            "resets_at": now + 40,
        }
        connection.execute(insert(models.quotas), [budget])
        change = {"kind": "port opened", "recorded_at": now, "observed_at": now, "address": hosts[0], "protocol": "tcp"}
        connection.execute(insert(models.changes), [{**change, "port": 22, "new": "ssh", "source_id": source_id}])
        breaker = {"provider": "ipinfo", "failures": 5, "open_until": now + 300, "reason": "429"}
        connection.execute(insert(models.breakers), [breaker])
    _connect(database, hosts[:3])
