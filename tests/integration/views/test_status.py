"""`cobalt status` against real ledgers."""

import json
import time
from collections.abc import Callable

import msgspec
import pytest
from click.testing import CliRunner
from rich.text import Text
from sqlalchemy import insert

from cobalt_tasks.cli.status import status as command
from cobalt_tasks.core.catalog import KINDS
from cobalt_tasks.core.records import State
from cobalt_tasks.core.settings import Settings, load
from cobalt_tasks.db import tables as models
from cobalt_tasks.db.engine import Database
from cobalt_tasks.geolocation.local.manifest import Installed, Manifest, Publication, save
from cobalt_tasks.views.status import collect
from cobalt_tasks.views.status_tables import print_summary
from cobalt_tasks.views.tables import Output
from tests.support.recount import recount


def as_json(database: Database, settings: Settings) -> dict:
    """The status as a program reads it."""
    return msgspec.json.decode(msgspec.json.encode(collect(database, settings)))


def test_empty_ledger_without_broker_has_every_key(database: Database, settings: Settings) -> None:
    """Nothing read, nothing known, no Redis: the document still has its whole shape, and messages are null."""
    found = as_json(database, settings)
    assert found["sources"] == []
    assert [found[name] for name in ("connections", "hosts", "ports", "domains", "certificates")] == [0] * 5
    assert found["jobs"] == {kind.name: {state.value: 0 for state in State} for kind in KINDS}
    for queue in found["queues"].values():
        assert (queue["messages"], queue["jobs"], queue["oldest_seconds"]) == (None, 0, None)
    assert found["geolocation"] == {"hosts": 0, "located": 0, "coverage": 0.0}
    assert list(found["providers"]) == list(settings.usable_providers)
    assert found["workers"] == []
    assert "does not answer" in found["broker"]


def test_counts_of_a_filled_ledger(database: Database, settings: Settings, fill: Callable[[Database], None]) -> None:
    """Every figure is what was written: ledger, facts, jobs by state, coverage of public hosts, budget, breaker."""
    fill(database)
    found = as_json(database, settings)
    source = found["sources"][0]
    assert source["read"] == source["accepted"] + source["duplicates"] + source["rejected"] + source["ignored"] == 9
    assert (found["connections"], found["hosts"], found["ports"], found["domains"], found["certificates"]) == (
        3,
        4,
        1,
        2,
        1,
    )
    assert found["jobs"]["geolocation"] | {"done": 2, "failed": 1, "pending": 0} == found["jobs"]["geolocation"]
    assert found["jobs"]["banner"]["pending"] == found["queues"]["banner"]["jobs"] == 1
    assert 0 <= found["queues"]["banner"]["oldest_seconds"] < 60
    assert found["queues"]["geolocation"]["finished_per_minute"] == 3
    assert found["queues"]["geolocation"]["started_per_minute"] == 3
    assert found["geolocation"] == {"hosts": 3, "located": 2, "coverage": pytest.approx(2 / 3)}
    ip_api = found["providers"]["ip-api"]
    assert (ip_api["remaining"], ip_api["open"]) == (11, False)
    assert 0 < ip_api["resets_in"] <= 40
    assert found["providers"]["ipinfo"] | {"open": True, "reason": "429"} == found["providers"]["ipinfo"]
    assert [reject["reason"] for reject in found["rejects"]] == ["no JSON"]


def test_coverage_counts_every_host_with_geolocation_work_once(database: Database, settings: Settings) -> None:
    """Whatever became of its jobs: located, located and asked again, waiting, dead twice, cancelled and asked again.

    Break: let the triggers of `jobs` write no row to `freshness`, or the count look only at what is fresh.
    """
    fresh = [{"kind": "geolocation", "address": f"8.8.8.{n}", "protocol": "", "port": 0} for n in (1, 2)]
    states = {
        "8.8.8.1": ["done", "dead"],
        "8.8.8.2": ["done", "cancelled", "pending"],
        "8.8.8.3": ["sent"],
        "8.8.8.4": ["dead", "dead"],
        "8.8.8.5": ["cancelled", "pending"],
    }
    new = {"protocol": "", "port": 0, "level": 2, "forced": False, "isolated": False, "attempts": 0, "not_before": 0.0}
    work = [
        {**new, "kind": kind, "address": address, "state": state, "created_at": 0.0}
        for address, each in states.items()
        for state in each
        for kind in ("geolocation", "domain")
    ]
    with database.writing() as connection:
        connection.execute(insert(models.freshness), fresh)
        connection.execute(insert(models.jobs), work)
        recount(connection)
        connection.execute(
            insert(models.locations),
            [{"address": row["address"], "country_code": "NL", "provider": "mmdb", "fetched_at": 0.0} for row in fresh],
        )
    assert as_json(database, settings)["geolocation"] == {"hosts": 5, "located": 2, "coverage": pytest.approx(2 / 5)}


def test_messages_come_from_redis(
    sqlite_database: Database, settings: Settings, redis_url: str, fill: Callable[[Database], None]
) -> None:
    """Where Redis answers, messages are numbers, and no worker is there."""
    fill(sqlite_database)
    found = as_json(sqlite_database, load())
    assert [queue["messages"] for queue in found["queues"].values()] == [0] * len(KINDS)
    assert found["broker"] is None


def test_local_databases_with_age_and_attribution(sqlite_database: Database, settings: Settings) -> None:
    """A local geolocation database is told with its age and what its licence asks to be shown; a damaged list, as such."""
    source = Publication(name="test", licence="CC BY 4.0", attribution="IP Geolocation by DB-IP (https://db-ip.com)")
    built = time.time() - 40 * 86400
    city = Installed(role="city", title="DB-IP City Lite", source=source, built=built, fetched_at=built, files=())
    settings.geodb_folder.mkdir()
    save(settings.geodb_folder, Manifest(databases=(city,)))
    found = as_json(sqlite_database, settings)["geodb"][0]
    assert (found["title"], found["old"], found["attribution"]) == ("DB-IP City Lite", True, source.attribution)
    assert found["age_days"] == pytest.approx(40, abs=0.1)
    printed = CliRunner().invoke(command, [])
    assert source.attribution in printed.stdout
    for file in settings.geodb_folder.iterdir():
        file.write_text("{")
    assert as_json(sqlite_database, settings)["geodb_trouble"]


def test_command_prints_json_and_tables(
    sqlite_database: Database, settings: Settings, fill: Callable[[Database], None]
) -> None:
    """--json is one JSON document; in a pipe tables are tab-separated, on a terminal they fit a screen of 80 × 24."""
    fill(sqlite_database)
    printed = CliRunner().invoke(command, ["--json"])
    assert printed.exit_code == 0, printed.output
    assert json.loads(printed.stdout)["hosts"] == 4
    assert json.loads(printed.stdout)["at"].endswith("Z")
    table = CliRunner().invoke(command, ["--all"])
    assert table.exit_code == 0, table.output
    assert "capture.jsonl\t9\t5\t1\t2\t1\n" in table.stdout
    assert "\x1b" not in table.stdout
    output, shown = Output.held(80, 24)
    print_summary(collect(sqlite_database, settings), output)
    lines = Text.from_ansi(shown.getvalue()).plain.splitlines()
    assert len(lines) <= 23
    assert max(map(len, lines)) <= 80
    assert "9 read from 1 sources = 5 accepted" in shown.getvalue()
