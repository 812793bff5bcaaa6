"""The upgrade of a ledger of the first version, which was killed while jobs were in flight.

`tests/ledgers/first_version.json` holds the rows that the first version (its last migration is 0004) wrote on
SQLite: it read in captures and scans, probed its lab, and was then killed with kill -9 with jobs sent and running.
"""

import base64
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, column, func, inspect, select, text
from sqlalchemy import table as sa_table

from cobalt_tasks.core import settings as environment
from cobalt_tasks.core.catalog import KINDS
from cobalt_tasks.core.records import FINAL_STATES, Outcome, State, Verdict
from cobalt_tasks.db import schema
from cobalt_tasks.db import tables as models
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import jobs as table
from cobalt_tasks.db.tables import ports
from cobalt_tasks.hosts import stats
from cobalt_tasks.jobs import leases, store

LEDGER = Path(__file__).parents[2] / "ledgers" / "first_version.json"
FIRST_HEAD = "0004"
_IN_ORDER = (
    *("sources", "hosts", "ports", "observations", "discoveries", "rejects", "banners", "certificates", "sightings"),
    *("locations", "hostnames", "evidence", "scores", "cursors", "locks", "freshness", "jobs"),
)
"""Every table that has rows, those that others refer to first."""

Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def rows() -> Rows:
    """The rows of each table, with bytes as bytes."""
    return json.loads(LEDGER.read_text(), object_hook=_bytes)  # type: ignore[no-any-return]


@pytest.fixture
def upgraded(database_url: str, rows: Rows) -> Database:
    """The ledger after this version has opened it, on each database."""
    old = Database(database_url)
    with old.writing() as connection:
        _write_as_first_version(connection, rows)
    old.dispose()
    return schema.open_ledger(environment.load({"COBALT_DATABASE_URL": database_url}))


def test_nothing_of_a_first_ledger_is_lost(upgraded: Database, rows: Rows) -> None:
    """Every source keeps its counts, every host, port, banner, location and certificate its row, and the kept counts fit."""
    kept = (
        "sources",
        "hosts",
        "ports",
        "banners",
        "locations",
        "certificates",
        "hostnames",
        "discoveries",
        "observations",
    )
    tally = ("read", "accepted", "duplicates", "rejected", "ignored")
    with upgraded.reading() as connection:
        counted = {
            name: connection.execute(select(func.count()).select_from(models.metadata.tables[name])).scalar()
            for name in kept
        }
        sources = connection.execute(text(f"SELECT name, {', '.join(tally)} FROM sources ORDER BY name")).all()
        hosts = stats.totals(connection).hosts
    assert counted == {name: len(rows[name]) for name in kept}
    wanted = sorted((row["name"], *(row[part] for part in tally)) for row in rows["sources"])
    assert [tuple(row) for row in sources] == wanted
    assert hosts == len(rows["hosts"])


def test_jobs_in_flight_are_done_after_the_upgrade(upgraded: Database, rows: Rows) -> None:
    """What was sent or running when the first version was killed is sent again and ends; what had ended stays as it was."""
    before = Counter(row["state"] for row in rows["jobs"])
    assert min(before["running"], before["sent"]) > 0
    with upgraded.reading() as connection:
        assert Counter(connection.execute(select(table.c.state)).scalars()) == before
    upgraded.write(leases.reap)
    for kind in KINDS:
        for level in range(10):
            upgraded.write(store.resend, kind.name, level, None, 0.0)
            sent = upgraded.write(store.mark_sent, kind.name, level, 1000)
            claim = upgraded.write(store.claim, kind.name, [job.id for job in sent], 15.0)
            outcomes = [Outcome(job=job, verdict=Verdict.FAILED, code="refused") for job in claim.jobs]
            upgraded.write(store.finish, claim.token, outcomes)
    with upgraded.reading() as connection:
        after = Counter(connection.execute(select(table.c.state)).scalars())
    assert set(after) <= set(FINAL_STATES)
    assert after[State.DONE] == before["done"]
    assert after.total() == before.total()


def test_open_ports_of_a_first_ledger_are_open(upgraded: Database, rows: Rows) -> None:
    """The first version knew open ports only: they are open, with the times it saw them."""
    with upgraded.reading() as connection:
        found = {(row.address, row.port): row for row in connection.execute(select(ports))}
    assert {key: row.last_seen for key, row in found.items()} == {
        (row["address"], row["port"]): row["last_seen"] for row in rows["ports"]
    }


def _write_as_first_version(connection: Connection, rows: Rows) -> None:
    config = Config()
    config.set_main_option("script_location", str(schema._MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, FIRST_HEAD)
    for name in _IN_ORDER:
        types = {part["name"]: part["type"] for part in inspect(connection).get_columns(name)}
        each = sa_table(name, *(column(part, types[part]) for part in rows[name][0]))
        connection.execute(each.insert(), rows[name])
    if connection.dialect.name == "postgresql":
        for name in ("jobs", "observations", "sources", "rejects"):
            connection.execute(
                text(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), (SELECT max(id) FROM {name}))")
            )


def _bytes(value: dict[str, Any]) -> Any:
    return base64.b64decode(value["base64"]) if set(value) == {"base64"} else value
