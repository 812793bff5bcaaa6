"""Scores, evidence and threat zones over the HTTP API, on real ledgers."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import insert

from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db import tables as models
from cobalt_tasks.db.engine import Database
from cobalt_tasks.threat import rules as threat
from cobalt_tasks.threat import store
from cobalt_tasks.threat.findings import Finding
from tests.integration.views.conftest import get

Fill = Callable[[Database], None]
Serving = Callable[[Settings], Any]


def speak_against(database: Database, points: dict[str, list[tuple[str, str, float]]]) -> None:
    """Write evidence (rule, subject, points) against hosts, and the scores it adds up to, as the sweep does."""
    now = time.time()
    with database.writing() as connection:
        for address, findings in points.items():
            found = [
                Finding(
                    address=address, rule=rule, subject=subject, points=weight, source="scan", observed_at=now,
                    detail=f"{subject} is open",
                )
                for rule, subject, weight in findings
            ]  # fmt: skip
            store.add(connection, found, "v1")
            store.write_scores(connection, {address: threat.score(found)}, "v1")


def test_scores_explain_themselves(database: Database, live_settings: Settings, fill: Fill, serving: Serving) -> None:
    """A host's evidence adds up to its score by what is `counted`: a rule once, and never beyond 1; null is not scored."""
    fill(database)
    findings = [("risky_port", "tcp/22", 0.3), ("risky_port", "tcp/23", 0.3), ("cleartext_service", "tcp/23", 0.2)]
    lists = [("blocklist", "first", 0.6), ("blocklist", "second", 0.3)]
    speak_against(database, {"198.51.100.7": findings, "198.51.100.8": findings + lists, "198.51.100.9": []})
    with serving(live_settings) as url:
        some = get(f"{url}/api/hosts/198.51.100.7").json()
        most = get(f"{url}/api/hosts/198.51.100.8").json()
        none = get(f"{url}/api/hosts/198.51.100.9").json()
        unscored = get(f"{url}/api/hosts/192.168.1.2").json()
        connections = get(f"{url}/api/connections").json()["items"]
    assert (some["score"], some["rule_version"]) == (0.5, "v1")
    rows = [(row["rule"], row["subject"], row["points"], row["counted"]) for row in some["evidence"]]
    assert rows == [
        ("risky_port", "tcp/22", 0.3, 0.3),
        ("cleartext_service", "tcp/23", 0.2, 0.2),
        ("risky_port", "tcp/23", 0.3, 0.0),
    ]
    assert set(some["evidence"][0]) >= {"source", "observed_at", "rule_version", "detail"}
    assert most["score"] == 1.0
    assert sum(row["counted"] for row in most["evidence"]) == pytest.approx(1.0)
    assert len(most["evidence"]) == 5
    assert (none["score"], none["evidence"]) == (0.0, [])
    assert (unscored["score"], unscored["rule_version"], unscored["evidence"]) == (None, None, [])
    assert {row["dst_ip"]: row["threat_score"] for row in connections} == {
        "198.51.100.7": 0.5,
        "198.51.100.8": 1.0,
        "198.51.100.9": 0.0,
    }


def test_much_evidence_is_cut_where_it_does_not_count(
    sqlite_database: Database, sqlite_settings: Settings, fill: Fill, serving: Serving
) -> None:
    """Of 600 findings 500 are shown, and the one that weighs least is among them when it is its rule's best."""
    fill(sqlite_database)
    findings = [("self_signed_certificate", f"tcp/{port}", 0.2) for port in range(600)]
    speak_against(sqlite_database, {"198.51.100.7": [*findings, ("unknown_country", "", 0.1)]})
    with serving(sqlite_settings) as url:
        host = get(f"{url}/api/hosts/198.51.100.7?limit=500").json()
    assert len(host["evidence"]) == 500
    assert [(row["rule"], row["counted"]) for row in host["evidence"] if row["counted"]] == [
        ("self_signed_certificate", 0.2),
        ("unknown_country", 0.1),
    ]
    assert host["score"] == 0.3


def test_riskiest_hosts_page_by_page(database: Database, live_settings: Settings, fill: Fill, serving: Serving) -> None:
    """By score, every host above 0 comes once, the highest first, also where many have the same; filters still hold."""
    fill(database)
    addresses = [f"203.0.113.{n}" for n in range(40)]
    now = time.time()
    with database.writing() as connection:
        rows = [{"address": a, "first_seen": now, "last_seen": now, "discovered": False} for a in addresses]
        connection.execute(insert(models.hosts), rows)
    risky = {address: [("risky_port", "tcp/22", 0.3 if n % 4 else 0.8)] for n, address in enumerate(addresses[:35])}
    speak_against(database, {**risky, "198.51.100.7": [("risky_port", "tcp/22", 0.5)], addresses[39]: []})
    with serving(live_settings) as url:
        seen, after = [], None
        while True:
            query = {"order": "score", "limit": 6, **({"after": after} if after else {})}
            page = get(f"{url}/api/hosts", params=query).json()
            seen += page["items"]
            if (after := page["next"]) is None:
                break
        dutch = get(f"{url}/api/hosts?order=score&country=nl&port=22").json()["items"]
        first = get(f"{url}/api/hosts?limit=1").json()["items"][0]
    assert sorted(row["address"] for row in seen) == sorted([*addresses[:35], "198.51.100.7"])
    scores = [row["score"] for row in seen]
    assert scores == sorted(scores, reverse=True) == [0.8] * 9 + [0.5] + [0.3] * 26
    assert [row["address"] for row in dutch] == ["198.51.100.7"]
    assert "score" in first


def test_threat_zones(database: Database, live_settings: Settings, fill: Fill, serving: Serving) -> None:
    """Where something speaks against the far ends there is a zone, counted in the metrics; 0,0 is a place."""
    fill(database)
    speak_against(database, {"198.51.100.8": [("blocklist", "first", 0.8)], "198.51.100.7": []})
    with serving(live_settings) as url:
        data = get(f"{url}/api/data").json()
    expected = {
        "lat": 0.0,
        "lon": 0.0,
        "threat_score": 0.8,
        "connection_count": 1,
        "countries": ["GH"],
        "radius_km": 50,
    }
    assert data["geo_intelligence"]["threat_zones"] == [expected]
    assert data["geo_intelligence"]["statistics"]["active_threats"] == 1
    assert data["metrics"]["threat_zones"] == 1


def test_active_threats_are_counted_not_capped(
    database: Database, live_settings: Settings, connect: Callable[..., None], serving: Serving
) -> None:
    """Every connection of the last minute to a host above a half counts, however many of them are listed."""
    connect(database, [f"198.51.100.{n % 3}" for n in range(1200)], age=5)
    connect(database, ["198.51.100.0"] * 7, age=61)
    weights = {"198.51.100.0": 0.8, "198.51.100.1": 0.5, "198.51.100.2": 0.0}
    speak_against(database, {address: [("blocklist", "first", weight)] for address, weight in weights.items()})
    with serving(live_settings) as url:
        data = get(f"{url}/api/data?limit=10").json()
    assert len(data["connections"]) == 10
    assert data["geo_intelligence"]["statistics"]["active_threats"] == 400
