"""What something costs does not grow with tables it is not about: counted in work, not in seconds."""

import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, text

from cobalt_tasks.core.records import NewJob
from cobalt_tasks.db import cursors, tables
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts import exports, stats
from cobalt_tasks.hosts import lists as host_lists
from cobalt_tasks.hosts import queries as host_queries
from cobalt_tasks.hosts.exports import pages
from cobalt_tasks.hosts.queries import Filter, Order
from cobalt_tasks.ingest.store import sources
from cobalt_tasks.jobs import admin as job_admin
from cobalt_tasks.jobs import creation
from cobalt_tasks.jobs import lists as job_lists
from cobalt_tasks.jobs.admin import Selection
from cobalt_tasks.jobs.lists import JobFilter
from cobalt_tasks.threat import rules as threat
from cobalt_tasks.threat import scoring, unscored
from tests.support.many_rows import PAST, add_jobs, add_places, add_ports, address, connect
from tests.support.waiting import wait_until
from tests.support.work import work

FEW, MANY = 500, 5_000


def analyze(database: Database) -> None:
    """Let the planner know the tables, as autovacuum does; nothing does so on SQLite."""
    if not database.is_sqlite:
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")


@pytest.fixture
def rules(tmp_path: Path) -> threat.Rules:
    """The rules of the package."""
    return threat.load(tmp_path)


def test_scoring_a_page_does_not_grow_with_the_ports_there_are(database: Database, rules: threat.Rules) -> None:
    """The same connections beside ten times as many hosts with ports. Break: join ports before grouping by source."""
    found = []
    for ports in (range(1000, 1000 + FEW), range(1000 + FEW, 1000 + MANY)):
        add_ports(database, ports)
        with database.writing() as connection:
            connection.execute(delete(tables.cursors))
            connection.execute(delete(tables.scores))
            connection.execute(delete(tables.observations))
        connect(database, 3000)
        analyze(database)
        found.append(work(database, lambda: scoring.keep_up(database, rules)))
    assert found[1] < 2 * found[0]


def test_scoring_what_is_new_does_not_grow_with_what_was_read(database: Database, rules: threat.Rules) -> None:
    """The cursor is searched for, however many rows are before it. Break: make `cursors.position` a float again."""
    found = []
    for _ in range(2):
        connect(database, FEW if not found else MANY)
        scoring.keep_up(database, rules)
        connect(database, 100)
        analyze(database)
        found.append(work(database, lambda: scoring.keep_up(database, rules)))
    assert found[1] < 2 * found[0]


def test_the_status_does_not_grow_with_connections_and_jobs(database: Database) -> None:
    """Their counts are kept. Break: count the rows of `jobs` in stats.jobs_by_kind."""
    found = []

    def ask() -> None:
        with database.reading() as connection:
            stats.totals(connection)
            stats.jobs_by_kind(connection)
            stats.oldest_waiting(connection)
            unscored.lag(connection)

    for numbers in (range(FEW), range(FEW, MANY)):
        connect(database, len(numbers))
        add_jobs(database, numbers)
        analyze(database)
        found.append(work(database, ask))
    assert found[1] < 2 * found[0]


@pytest.mark.parametrize(
    "only", [Selection(state="dead"), Selection(kind="banner"), Selection(kind="domain", state="done")]
)
def test_a_list_of_rare_jobs_does_not_grow_with_the_others(database: Database, only: Selection) -> None:
    """Nothing is found among ten times as many. Break: filter while walking by id, as it was."""
    found = []

    def ask() -> None:
        with database.reading() as connection:
            assert job_admin.find(connection, only, 50) == []

    for numbers in (range(FEW), range(FEW, MANY)):
        add_jobs(database, numbers)
        analyze(database)
        found.append(work(database, ask))
    assert found[1] < 2 * found[0]


@pytest.mark.parametrize("order", list(Order))
@pytest.mark.parametrize(
    "only", [Filter(country="ZZ"), Filter(port=1), Filter(service="none"), Filter(country="ZZ", port=443)]
)
def test_a_list_of_rare_hosts_does_not_grow_with_the_others(
    database: Database, only: Filter, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A country without hosts, a port and a service that no host has. Break: leave out host_lists._by_index's own index."""
    monkeypatch.setattr(host_lists, "_WALKED", 100)
    monkeypatch.setattr(host_lists, "_COUNTED", 100)
    found = []

    def ask() -> None:
        with database.reading() as connection:
            assert host_queries.page(connection, 50, only=only, order=order) == []

    for numbers in (range(FEW), range(FEW, MANY)):
        add_ports(database, numbers)
        add_places(database, numbers)
        analyze(database)
        found.append(work(database, ask))
    assert found[1] < 2 * found[0]


def test_every_filter_finds_what_a_walk_finds(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of hosts by every filter in both orders, over ties: all that match, once, in order."""
    monkeypatch.setattr(host_lists, "_WALKED", 7)
    rows = [
        {
            "address": address(n),
            "last_seen": PAST - n // 5,
            "country_code": ("NL", "DE", None)[n % 3],
            "port": (22, 443)[n % 2],
            "service": ("ssh", None, "https")[n % 3],
            "score": n % 4 / 4,
        }
        for n in range(60)
    ]
    with database.writing() as connection:
        for each in rows:
            host = {name: each[name] for name in ("address", "last_seen")}
            connection.execute(insert(tables.hosts).values(**host, first_seen=PAST, discovered=False))
            place = {"country_code": each["country_code"], "provider": "mmdb", "fetched_at": 0.0}
            connection.execute(insert(tables.locations).values(address=each["address"], **place))
            port = {"port": each["port"], "service": each["service"], "protocol": "tcp"}
            connection.execute(insert(tables.ports).values(**host, **port, first_seen=PAST))
            made = {"score": each["score"], "rule_version": "", "scored_at": 0.0}
            connection.execute(insert(tables.scores).values(address=each["address"], **made))
    choices = itertools.product(("NL", None), (443, 22, None), ("ssh", None), Order)
    for country, port, service, order in choices:
        only = Filter(country=country, port=port, service=service)
        wanted = {"country_code": country, "port": port, "service": service}
        matching = [row for row in rows if all(value in {None, row[name]} for name, value in wanted.items())]
        matching = [row for row in matching if order is Order.LAST_SEEN or row["score"] > 0]
        expected = sorted(((row[order], row["address"]) for row in matching), reverse=True)
        assert list(_all_pages(database, only, order)) == [each for _, each in expected]


def _all_pages(database: Database, only: Filter, order: Order) -> Iterator[str]:
    after = None
    while True:
        with database.reading() as connection:
            page = host_queries.page(connection, 4, only=only, order=order, after=after)
        yield from (row["address"] for row in page)
        if len(page) < 4:
            return
        after = host_queries.After(page[-1][order], page[-1]["address"])


@pytest.mark.parametrize("sorted_jobs", [0, 100])
def test_lists_of_jobs_are_the_newest_first(
    database: Database, monkeypatch: pytest.MonkeyPatch, sorted_jobs: int
) -> None:
    """Of every kind and state, page by page, pending ones too, that wait for a budget or not; few or many."""
    monkeypatch.setattr(job_lists, "_SORTED", sorted_jobs)
    made = [NewJob(kind=kind, address=address(n)) for n in range(10) for kind in ("domain", "geolocation")]
    database.write(creation.create, made)
    with database.writing() as connection:
        connection.execute(text("UPDATE jobs SET waits_for = 'quota' WHERE id % 3 = 0"))
        connection.execute(text("UPDATE jobs SET state = 'failed' WHERE id % 5 = 0"))
        kept = connection.execute(select(tables.jobs.c.id, tables.jobs.c.kind, tables.jobs.c.state)).all()
    for kind, state in itertools.product(("domain", "geolocation", None), ("pending", "failed", None)):
        wanted = [row.id for row in kept if kind in {None, row.kind} and state in {None, row.state}]
        found: list[int] = []
        while True:
            with database.reading() as connection:
                page = job_lists.job_page(
                    connection, 3, only=JobFilter(kind=kind, state=state), before=found[-1] if found else None
                )
            found += [row["id"] for row in page]
            if len(page) < 3:
                break
        assert found == sorted(wanted, reverse=True)


def test_a_paused_export_holds_no_transaction(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite's log can be emptied and PostgreSQL sees no open transaction while its reader waits; no row is lost or twice.

    Break: read the stream in one transaction.
    """
    monkeypatch.setattr(pages, "_ROWS_AT_ONCE", 7)
    add_ports(database, range(50))
    rows = iter(exports.stream(database, "ports").rows)
    first = next(rows)
    add_ports(database, range(100, 110))
    # The page behind is being read.
    wait_until(lambda: not _holds_something(database), "the end of the transactions")
    found = [row["address"] for row in (first, *rows)]
    assert sorted(found) == sorted({*found})
    assert {address(n) for n in range(50)} <= set(found)


def test_a_row_of_an_export_costs_the_same_in_a_large_ledger(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hosts with places and scores, five times as many the second time. Break: end a page by a limit, not by a key."""
    monkeypatch.setattr(pages, "_ROWS_AT_ONCE", 100)
    found = []
    for numbers in (range(FEW), range(FEW, MANY)):
        add_ports(database, numbers)
        add_places(database, numbers)
        analyze(database)
        rows: list[dict[str, Any]] = []
        done = work(database, lambda rows=rows: rows.extend(exports.stream(database, "hosts").rows))
        assert len(rows) == numbers.stop
        found.append(done / len(rows))
    assert found[1] < 2 * found[0]


def _holds_something(database: Database) -> bool:
    """Return whether a transaction is open: SQLite's log cannot be emptied, or PostgreSQL names it."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' AND datname = current_database() AND pid <> pg_backend_pid()"
    raw = database.engine.raw_connection()
    try:
        cursor = raw.cursor()
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)" if database.is_sqlite else query)
        return bool((cursor.fetchone() or [1])[0])
    finally:
        raw.close()


def test_forgetting_a_source_looks_its_rows_through_once(database: Database) -> None:
    """Its observations go, those of others stay; twice as many rows cost twice as much, not four times."""
    found = []
    for count in (FEW, 4 * FEW):
        with database.writing() as connection:
            connection.execute(delete(tables.observations))
            source = sources.create(connection, f"source {count}")
        connect(database, count)
        with database.writing() as connection:
            connection.execute(
                text(f"UPDATE observations SET source_id = CASE id % 2 WHEN 0 THEN {source.id} ELSE 99 END")
            )
        found.append(work(database, lambda number=source.id: sources.forget(database, number)))
        with database.reading() as connection:
            left = set(connection.execute(select(tables.observations.c.source_id)).scalars())
        assert left == {99}
    assert found[1] < 8 * found[0]


def test_the_lag_of_scoring_is_what_it_has_not_read(database: Database, rules: threat.Rules) -> None:
    """Connections and seconds while it waits, nothing once it has read."""

    def lag() -> Any:
        with database.reading() as connection:
            return unscored.lag(connection)

    assert lag() == unscored.Lag(observations=0, seconds=0.0)
    connect(database, 30, at=time.time() - 100)
    before = lag()
    assert before.observations == 30
    assert 99 < before.seconds < 600
    scoring.keep_up(database, rules)
    assert lag() == unscored.Lag(observations=0, seconds=0.0)
    add_jobs(database, range(1))
    database.write(cursors.move_to_moment, unscored.ENDED, 0.5)
    assert lag().seconds > 1e6
