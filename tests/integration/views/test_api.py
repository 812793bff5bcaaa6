"""The HTTP API, asked over real HTTP on real ledgers."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.core.settings import Settings, load
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.schema import open_ledger
from cobalt_tasks.views.dashboard.app import create_app
from tests.integration.views.conftest import get
from tests.support.waiting import PATIENCE, wait_until

Fill = Callable[[Database], None]
Serving = Callable[[Settings], Any]


def test_data_keeps_the_contract(database: Database, live_settings: Settings, fill: Fill, serving: Serving) -> None:
    """/api/data has every key programs rely on, with its type; unknown is "??" and null, coordinates 0,0 are kept."""
    fill(database)
    with serving(live_settings) as url:
        data = get(f"{url}/api/data").json()
    assert isinstance(data["timestamp"], float)
    by_address = {row["dst_ip"]: row for row in data["connections"]}
    assert set(by_address) == {"198.51.100.7", "198.51.100.8", "198.51.100.9"}
    row = by_address["198.51.100.7"]
    assert row["src_ip"] == "192.168.1.2"
    assert (row["dst_port"], row["protocol"]) == (443, "TCP")
    assert (row["dst_country"], row["dst_lat"], row["dst_lon"]) == ("NL", 52.37, 4.89)
    assert row["dst_hostname"] == "<b>hostile</b>.example"
    assert (row["threat_score"], row["reputation"], row["geo_failed"]) == (0.0, {}, False)
    assert row["scored"] is False
    zero, unknown = by_address["198.51.100.8"], by_address["198.51.100.9"]
    assert (zero["dst_lat"], zero["dst_lon"]) == (0.0, 0.0)
    assert (unknown["dst_country"], unknown["dst_lat"], unknown["geo_failed"]) == ("??", None, True)
    assert not unknown["dst_public"]
    assert data["geo_intelligence"] == {"threat_zones": [], "statistics": {"total_countries": 2, "active_threats": 0}}
    components = data["system_health"]["components"]
    assert 0 <= data["system_health"]["overall"] <= 1
    for name in ("database", "geo_engine", "dashboard", "connection_monitor"):
        assert set(components[name]) == {"status", "health_percentage", "last_beat_age"}
    assert components["database"]["status"] == components["connection_monitor"]["status"] == "ACTIVE"
    # How long no worker took from its queue is known only once the page has watched for a while.
    assert components["geo_engine"]["status"] in {"ACTIVE", "DEGRADED", "DEAD"}
    assert components["broker"]["status"] == "DEAD"
    metrics = data["metrics"]
    assert (metrics["total_connections"], metrics["recent_connections"], metrics["active_countries"]) == (3, 3, 2)
    assert 0 <= metrics["buffer_age"] < 20
    assert metrics["geo_queue_size"] == 0
    assert data["integration_status"] == {
        "database": "ACTIVE",
        "geo_engine": "STANDBY" if components["geo_engine"]["status"] == "DEAD" else "ACTIVE",
        "connection_monitor": "ACTIVE",
    }


def test_recent_connections_are_counted_not_capped(
    database: Database, live_settings: Settings, connect: Callable[..., None], serving: Serving
) -> None:
    """1,234 connections of the last minute are counted as such and listed up to the limit; older ones are neither."""
    connect(database, [f"198.51.100.{n % 250}" for n in range(1234)], age=5)
    connect(database, ["198.51.100.251"] * 77, age=61)
    with serving(live_settings) as url:
        data = get(f"{url}/api/data").json()
        more = get(f"{url}/api/data?limit=5000").json()
    assert data["metrics"]["recent_connections"] == 1234
    assert data["metrics"]["total_connections"] == 1311
    assert len(data["connections"]) == 500
    assert len(more["connections"]) == 1234
    assert "198.51.100.251" not in {row["dst_ip"] for row in more["connections"]}


def test_old_connections_are_shown_apart(
    sqlite_database: Database, sqlite_settings: Settings, connect: Callable[..., None], serving: Serving
) -> None:
    """After a silent minute the list of the last minute is empty, and the latest before it are given beside."""
    connect(sqlite_database, ["198.51.100.7"], age=3600)
    with serving(sqlite_settings) as url:
        data = get(f"{url}/api/data").json()
    assert data["connections"] == []
    assert [row["dst_ip"] for row in data["latest_connections"]] == ["198.51.100.7"]
    assert data["metrics"]["buffer_age"] == pytest.approx(3600, abs=30)
    assert data["system_health"]["components"]["connection_monitor"]["status"] == "DEAD"


def test_empty_ledger(sqlite_settings: Settings, serving: Serving) -> None:
    """Nothing read yet: no data age, no connections, and every route answers."""
    with serving(sqlite_settings) as url:
        data = get(f"{url}/api/data").json()
        assert data["metrics"]["buffer_age"] is None
        assert data["connections"] == data["latest_connections"] == []
        for path in (
            "/",
            "/docs",
            "/metrics",
            "/api/hosts",
            "/api/connections",
            "/api/jobs",
            "/api/queues",
            "/api/status",
        ):
            assert get(f"{url}{path}").status_code == 200, path


def test_health_is_ok_while_work_can_be_done(sqlite_settings: Settings, redis_url: str, serving: Serving) -> None:
    """/api/health says OK with the components, and nothing that is wrong, while what only starts is not late."""
    with serving(load()) as url:
        answer = get(f"{url}/api/health")
    assert (answer.status_code, answer.json()["status"], answer.json()["reasons"]) == (200, "OK", [])
    assert answer.json()["components"]["database"]["status"] == "ACTIVE"


def test_health_without_a_broker(sqlite_settings: Settings, serving: Serving) -> None:
    """Without Redis nothing can be done: 503 with the reason, and the whole is 0; the server itself is alive.

    Break: `stops` in health._surroundings.
    """
    with serving(sqlite_settings) as url:
        answer = get(f"{url}/api/health")
        assert get(f"{url}/api/live").status_code == 200
    document = answer.json()
    assert (answer.status_code, document["status"], document["overall"]) == (503, "DEAD", 0)
    assert "Redis does not answer" in document["reasons"][0]
    assert document["components"]["database"]["status"] == "ACTIVE"


def test_health_without_a_database(
    postgres_url: str, settings: Settings, redis_url: str, monkeypatch: pytest.MonkeyPatch, serving: Serving
) -> None:
    """When the database goes away, health says DEAD with 503, and data one clear line with 503."""
    import psycopg

    monkeypatch.setenv("COBALT_DATABASE_URL", postgres_url)
    open_ledger(load()).dispose()
    with serving(load()) as url:
        assert get(f"{url}/api/health").status_code == 200
        server, _, name = postgres_url.rpartition("/")
        with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
            connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')  # type: ignore[arg-type]
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
            health, data = get(f"{url}/api/health"), get(f"{url}/api/data")
            connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')  # type: ignore[arg-type]
        assert (health.status_code, health.json()["status"]) == (503, "DEAD")
        assert health.json()["components"]["database"]["status"] == "DEAD"
        assert data.status_code == 503
        assert "database does not answer" in data.json()["detail"]
        assert get(f"{url}/api/health").status_code == 200


def test_lists_page_by_page(database: Database, live_settings: Settings, fill: Fill, serving: Serving) -> None:
    """`next` leads to the following page, and is null on the last."""
    fill(database)
    with serving(live_settings) as url:
        for path, step in (("hosts", "after"), ("connections", "before"), ("jobs", "before")):
            whole = get(f"{url}/api/{path}").json()
            assert whole["next"] is None
            seen, cursor = [], None
            while True:
                page = get(f"{url}/api/{path}", params={"limit": 2, **({step: cursor} if cursor else {})}).json()
                seen += page["items"]
                if (cursor := page["next"]) is None:
                    break
            assert seen == whole["items"]
        jobs = get(f"{url}/api/jobs?kind=geolocation&state=failed").json()["items"]
        assert [job["address"] for job in jobs] == ["198.51.100.9"]
        assert len(get(f"{url}/api/connections?seconds=60").json()["items"]) == 3
        assert get(f"{url}/api/hosts?country=nl&port=22").json()["items"][0]["address"] == "198.51.100.7"
        assert get(f"{url}/api/hosts/198.51.100.7").json()["certificates"][0]["names"] == [
            "example.com",
            "www.example.com",
        ]
        assert get(f"{url}/api/queues").json()["queues"]["banner"]["jobs"] == 1


OUT_OF_BOUNDS = [
    "/api/data?limit=0",
    "/api/data?limit=5001",
    "/api/data?limit=x",
    "/api/hosts?limit=501",
    "/api/hosts?country=N",
    "/api/hosts?port=65536",
    "/api/hosts?service=%00",
    "/api/hosts?order=nonsense",
    "/api/hosts?after=x",
    "/api/hosts?after=nan~198.51.100.7",
    "/api/rejects?source=%0B7",
    "/api/jobs?limit=1_0",
    "/api/jobs?limit=1.0",
    "/api/connections?before=0.0",
    "/api/connections?seconds=%201",
    "/api/map?hours=inf",
    "/api/hosts?after=1e400~198.51.100.7",
    "/api/hosts?after=1.0~nonsense",
    "/api/hosts?after=1.0~%00",
    "/api/hosts/nonsense",
    "/api/connections?before=-1",
    "/api/connections?seconds=0",
    "/api/connections?before=99999999999999999999",
    "/api/jobs?kind=nonsense",
    "/api/jobs?state=nonsense",
    "/api/jobs?address=nonsense",
]


def test_parameters_are_bounded(database: Database, live_settings: Settings, serving: Serving) -> None:
    """A parameter out of bounds is refused with 422 and never reaches the ledger."""
    with serving(live_settings) as url:
        assert {path: get(f"{url}{path}").status_code for path in OUT_OF_BOUNDS} == dict.fromkeys(OUT_OF_BOUNDS, 422)


def test_unknown_paths_and_methods(sqlite_settings: Settings, serving: Serving) -> None:
    """Unknown hosts and paths are 404, nothing outside the static folder is served, nothing can be written."""
    with serving(sqlite_settings) as url:
        for path in ("/api/hosts/198.51.100.99", "/nothing", "/static/../app.py", "/static/%2e%2e/app.py"):
            session = requests.Session()
            request = requests.Request("GET", url).prepare()
            request.url = url + path
            assert session.send(request, timeout=PATIENCE).status_code == 404, path
            session.close()
        assert requests.post(f"{url}/api/data", timeout=PATIENCE).status_code == 405


def test_every_answer_ties_the_browsers_hands(sqlite_settings: Settings, serving: Serving) -> None:
    """Page, script, API and error all carry the policy: own files only, no inline script, no framing."""
    with serving(sqlite_settings) as url:
        for path in ("/", "/docs", "/static/page.js", "/api/data", "/api/hosts/x", "/nothing"):
            headers = get(f"{url}{path}").headers
            policy = headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "script-src 'self';" in policy
            assert "unsafe" not in policy
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["X-Frame-Options"] == "DENY"
        assert get(f"{url}/api/data").headers["Cache-Control"] == "no-store"


def test_password(sqlite_database: Database, settings: Settings, serving: Serving) -> None:
    """With a password everything but the health check asks for it; wrong, odd and missing ones stay outside."""
    guarded = msgspec.structs.replace(load(), dashboard_user="ann", dashboard_password="pässword:with:colons")
    with serving(guarded) as url:
        for path in ("/", "/api/data", "/metrics", "/docs", "/static/page.js", "/api/stream", "/openapi.json"):
            answer = get(f"{url}{path}")
            assert answer.status_code == 401, path
            assert answer.headers["WWW-Authenticate"].startswith("Basic ")
        assert get(f"{url}/api/live").status_code == 200
        assert get(f"{url}/api/health").status_code == 503
        right = ("ann", "pässword:with:colons".encode())
        assert get(f"{url}/api/data", auth=right).status_code == 200
        for wrong in (("ann", "x"), ("", ""), ("ann", "pässword:with:colon".encode()), ("bob", right[1])):
            assert get(f"{url}/api/data", auth=wrong).status_code == 401
        for header in ("Basic", "Basic !!!", "Bearer YW5uOng=", "Basic " + "A" * 10_000):
            assert get(f"{url}/api/data", headers={"Authorization": header}).status_code == 401


@pytest.mark.parametrize(("user", "password"), [("ann", None), (None, "secret"), ("a:b", "secret")])
def test_half_a_login_is_refused(settings: Settings, user: str | None, password: str | None) -> None:
    """A name without a password, a password without a name, a name with a colon: the server does not start open."""
    with pytest.raises(ConfigurationError, match="COBALT_DASHBOARD_USER"):
        create_app(msgspec.structs.replace(settings, dashboard_user=user, dashboard_password=password))


def test_metrics_are_prometheus_text(database: Database, live_settings: Settings, fill: Fill, serving: Serving) -> None:
    """/metrics can be parsed, and its figures are those of the ledger."""
    fill(database)
    with serving(live_settings) as url:
        text = get(f"{url}/metrics").text
    found = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert found["cobalt_records_total", "accepted"] == 5
    assert found["cobalt_records_read_total",] == 9
    assert found["cobalt_known", "hosts"] == 4
    assert found["cobalt_jobs", "done", "geolocation"] == 2
    assert found["cobalt_queue_jobs", "banner"] == 1
    assert found["cobalt_provider_remaining", "ip-api"] == 11
    assert found["cobalt_provider_open", "ipinfo"] == 1
    assert found["cobalt_broker_up",] == 0
    assert ("cobalt_queue_messages", "banner") not in found


def test_stream_sends_what_arrives(
    sqlite_database: Database, sqlite_settings: Settings, connect: Callable[..., None], serving: Serving
) -> None:
    """The stream's events are documents of /api/data; what arrives after it was opened is in a later one."""
    with serving(sqlite_settings) as url, get(f"{url}/api/stream", stream=True) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        lines = (line for line in answer.iter_lines(decode_unicode=True) if line.startswith("data: "))
        assert json.loads(next(lines)[6:])["connections"] == []
        connect(sqlite_database, ["198.51.100.7"])
        for _ in range(5):
            rows = json.loads(next(lines)[6:])["connections"]
            if rows:
                break
        assert [row["dst_ip"] for row in rows] == ["198.51.100.7"]


def test_streams_are_bounded(sqlite_settings: Settings, serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who opens one stream too many is told to poll; closing one makes room again."""
    monkeypatch.setattr("cobalt_tasks.views.dashboard.stream.MOST", 1)
    with serving(sqlite_settings) as url:
        with get(f"{url}/api/stream", stream=True) as first:
            next(first.iter_lines())
            assert get(f"{url}/api/stream").status_code == 503

        def is_admitted() -> bool:
            with get(f"{url}/api/stream", stream=True) as again:
                return again.status_code == 200

        wait_until(is_admitted, "there is room for a stream again")


def test_pulse_is_young(sqlite_database: Database, settings: Settings, redis_url: str, serving: Serving) -> None:
    """What Redis and the workers said is no older than it may be, though asking them takes a second."""
    import redis

    from cobalt_tasks.core.catalog import KINDS

    with serving(load()) as url, redis.Redis.from_url(redis_url) as client:
        assert get(f"{url}/api/queues").json()["queues"]["banner"]["messages"] == 0
        client.lpush(KINDS[0].name, b"{}")
        wait_until(lambda: get(f"{url}/api/queues").json()["queues"]["banner"]["messages"] == 1, every=0.2)
