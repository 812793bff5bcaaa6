"""Findings over all hosts, and sources with what was refused: the API, and the plans of its queries."""

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import insert

from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db import tables as models
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts import finding_lists, source_lists
from tests.integration.storage.test_plans import plans
from tests.integration.views.conftest import get

Serving = Callable[[Settings], Any]

HOSTS = 3_000

WALKS = re.compile(r"(SCAN|Seq Scan on) (findings|sources|rejects)(?! USING)")
"""A table read from end to end. The few rules and the first page of an order are read by an index."""


@pytest.fixture
def large(database: Database) -> Database:
    """3,000 hosts: every one has an open port that is attacked, every tenth a weak key too, and 3,000 lines were refused."""
    now = time.time()
    addresses = [f"198.51.{number >> 8}.{number & 255}" for number in range(HOSTS)]
    same = {"points": 0.3, "source": "scan", "observed_at": now, "rule_version": "v1"}
    found = [
        {**same, "address": each, "rule": "risky_port", "subject": "tcp/23", "detail": "open"} for each in addresses
    ]
    weak = {**same, "points": 0.15, "rule": "weak_key", "subject": "tcp/443", "detail": "RSA 512"}
    found += [{**weak, "address": each} for each in addresses[::10]]
    hosts = [
        {"address": each, "first_seen": now, "last_seen": now - number, "discovered": True}
        for number, each in enumerate(addresses)
    ]
    scores = [
        {"address": each, "score": 0.3 if number % 10 else 0.45, "rule_version": "v1", "scored_at": now}
        for number, each in enumerate(addresses)
    ]
    names = [{"name": f"scan {number}.xml", "created_at": now, "updated_at": now, "read": 7} for number in range(300)]
    refused = [
        {
            "source_id": 1 + number % 3,
            "position": number,
            "reason": f"no address {number}",
            "line": b"",
            "arrived_at": now,
        }
        for number in range(3_000)
    ]
    with database.writing() as connection:
        for table, rows in (
            (models.hosts, hosts),
            (models.findings, found),
            (models.scores, scores),
            (models.sources, names),
            (models.rejects, refused),
        ):
            connection.execute(insert(table), rows)
    with database.writing() as connection:
        connection.exec_driver_sql("ANALYZE")
    return database


def pages(url: str, mark: str) -> list[dict[str, Any]]:
    """Return the rows of all pages of a list. url: with a query; mark: the name of the parameter for `next`."""
    rows: list[dict[str, Any]] = []
    following = ""
    while True:
        answer = get(url + following).json()
        rows += answer["items"]
        if answer["next"] is None:
            return rows
        following = f"&{mark}={answer['next']}"


def test_findings_are_listed_by_rule_and_by_host(large: Database, live_settings: Settings, serving: Serving) -> None:
    """Rules with the number of hosts, and every host once over all pages, the riskiest first, with what was found.

    Break: `rule` in finding_lists.of_hosts.
    """
    with serving(live_settings) as url:
        rules = get(f"{url}/api/findings/rules").json()
        narrowed = get(f"{url}/api/findings/rules?q=net:198.51.0.0/28").json()
        every = pages(f"{url}/api/findings?limit=500", "after")
        weak = pages(f"{url}/api/findings?limit=130&rule=weak_key", "after")
        late = pages(f"{url}/api/findings?limit=130&rule=weak_key&order=last_seen", "after")
        wrong = get(f"{url}/api/findings?q=port:22 cuntry:DE&rule=weak_key")
    assert [(each["rule"], each["points"], each["hosts"]) for each in rules["items"]] == [
        ("risky_port", 0.3, 3000),
        ("weak_key", 0.15, 300),
    ]
    assert [each["hosts"] for each in narrowed["items"]] == [16, 2]
    assert len({host["address"] for host in every}) == len(every) == HOSTS
    assert [host["score"] for host in every] == sorted((host["score"] for host in every), reverse=True)
    assert [[each["rule"] for each in host["findings"]] for host in every[299:301]] == [
        ["risky_port", "weak_key"],
        ["risky_port"],
    ]
    assert len({host["address"] for host in weak}) == len(weak) == 300
    assert {each["rule"] for host in weak for each in host["findings"]} == {"weak_key"}
    assert {host["address"] for host in late} == {host["address"] for host in weak}
    assert late == sorted(late, key=lambda host: -host["last_seen"])
    assert (wrong.status_code, wrong.json()["column"]) == (422, 9)


def test_sources_and_rejects_come_page_by_page(large: Database, live_settings: Settings, serving: Serving) -> None:
    """Every source and every refused line once, the newest first; of one source, its own. Break: `before` in source_lists."""
    with serving(live_settings) as url:
        sources = pages(f"{url}/api/sources?limit=130", "before")
        rejects = pages(f"{url}/api/rejects?limit=500&source=2", "before")
        first = get(f"{url}/api/rejects?limit=2").json()["items"]
    assert [each["name"] for each in sources] == [f"scan {number}.xml" for number in reversed(range(300))]
    assert sources[0]["read"] == 7
    assert [each["position"] for each in rejects] == sorted((n for n in range(3000) if n % 3 == 1), reverse=True)
    assert {each["source"] for each in rejects} == {"scan 1.xml"}
    assert [each["reason"] for each in first] == ["no address 2999", "no address 2998"]


def test_no_list_walks_through_its_table(large: Database) -> None:
    """A page reads by an index, whichever it is. Break: order sources by updated_at."""
    with plans(large) as found, large.reading() as connection:
        finding_lists.of_hosts(connection, ["198.51.0.1", "198.51.0.10"])
        finding_lists.of_hosts(connection, ["198.51.0.1", "198.51.0.10"], "weak_key")
        source_lists.source_page(connection, 100, 200)
        source_lists.reject_page(connection, 100, None, 900)
        source_lists.reject_page(connection, 100, 2, 900)
    walks = [plan for plan in found if WALKS.search(plan)]
    assert len(found) >= 5
    assert not walks, "\n\n".join(walks)
