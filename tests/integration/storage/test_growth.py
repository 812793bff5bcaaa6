"""What something costs does not grow with tables it is not about: counted in work, not in seconds."""

import itertools
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, delete, func, insert, select, text

from cobalt_tasks.core.records import Banner, Facts, NewJob, Observation, State
from cobalt_tasks.db import counts, cursors, tables
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts import exports, stats
from cobalt_tasks.hosts import lists as host_lists
from cobalt_tasks.hosts import queries as host_queries
from cobalt_tasks.hosts.queries import Filter, Order
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.store import sources, write_batch
from cobalt_tasks.jobs import admin as job_admin
from cobalt_tasks.jobs import creation
from cobalt_tasks.jobs import lists as job_lists
from cobalt_tasks.jobs import store as jobs
from cobalt_tasks.jobs.admin import Selection
from cobalt_tasks.jobs.lists import JobFilter
from cobalt_tasks.threat import rules as threat
from cobalt_tasks.threat import scoring, unscored
from tests.support.recount import recount
from tests.support.work import work

NOW = time.time()
PAST = NOW - 60
FEW, MANY = 500, 5_000


def address(number: int) -> str:
    """Return an address of its own for each number."""
    return f"16.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def connect(database: Database, count: int, peers: int = 100, at: float = PAST) -> None:
    """Store connections between a few hosts."""
    row = {"source_id": 1, "observed_at": at, "arrived_at": at, "dst_port": 443, "protocol": "tcp"}
    rows = [{**row, "src_ip": address(n % peers), "dst_ip": address(n * 7 % peers)} for n in range(count)]
    with database.writing() as connection:
        connection.execute(insert(tables.observations), rows)
        recount(connection)


def add_ports(database: Database, numbers: range) -> None:
    """Store hosts with a port."""
    seen = {"first_seen": PAST, "last_seen": PAST}
    with database.writing() as connection:
        connection.execute(insert(tables.hosts), [{**seen, "address": address(n), "discovered": True} for n in numbers])
        port = {**seen, "protocol": "tcp", "port": 443, "service": "https"}
        connection.execute(insert(tables.ports), [{**port, "address": address(n)} for n in numbers])
        recount(connection)


def add_jobs(database: Database, numbers: range, state: str = "done") -> None:
    """Store ended jobs."""
    row = {
        "kind": "geolocation",
        "protocol": "",
        "port": 0,
        "level": 3,
        "state": state,
        "forced": False,
        "isolated": False,
    }
    row |= {"attempts": 0, "not_before": 0.0, "created_at": 0.0, "finished_at": 1.0}
    with database.writing() as connection:
        connection.execute(insert(tables.jobs), [{**row, "address": address(n)} for n in numbers])
        recount(connection)


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
        place = {"country_code": "NL", "provider": "mmdb", "fetched_at": 0.0}
        score = {"score": 0.5, "rule_version": "", "scored_at": 0.0}
        with database.writing() as connection:
            connection.execute(insert(tables.locations), [{**place, "address": address(n)} for n in numbers])
            connection.execute(insert(tables.scores), [{**score, "address": address(n)} for n in numbers])
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


def true_counts(database: Database) -> tuple[dict[str, int], dict[tuple[str, str], int]]:
    """Count rows one by one."""
    with database.reading() as connection:
        by_table = {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (tables.observations, tables.hosts, tables.ports)
        }
        grouped = select(tables.jobs.c.kind, tables.jobs.c.state, func.count()).group_by(
            tables.jobs.c.kind, tables.jobs.c.state
        )
        return by_table, {(kind, state): n for kind, state, n in connection.execute(grouped)}


def kept_counts(database: Database) -> tuple[dict[str, int], dict[tuple[str, str], int]]:
    """Return what triggers and writers have kept."""
    with database.reading() as connection:
        by_table = {
            table.name: counts.table_size(connection, table)
            for table in (tables.observations, tables.hosts, tables.ports)
        }
        return by_table, counts.jobs_by_kind_and_state(connection)


def test_kept_counts_are_exact_after_everything(database: Database) -> None:
    """Jobs through their states from several threads, some of it rolled back, rows added and deleted, slots folded."""
    add_ports(database, range(50))
    connect(database, 120)

    def roll_back(connection: Connection, number: int) -> None:
        creation.create(connection, [NewJob(kind="domain", address=address(number))])
        raise ZeroDivisionError

    def live(number: int) -> None:
        new = [NewJob(kind="geolocation", address=address(number * 100 + n)) for n in range(20)]
        database.write(creation.create, new)
        sent = database.write(jobs.mark_sent, "geolocation", 3, 10)
        claim = database.write(jobs.claim, "geolocation", [job.id for job in sent], 15.0)
        database.write(jobs.release, claim.token)
        job_admin.cancel(database, Selection(address=address(number * 100)))
        with pytest.raises(ZeroDivisionError):
            database.write(roll_back, number)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(live, range(8)))
    job_admin.retry(database, Selection(state=State.CANCELLED))
    with database.writing() as connection:
        connection.execute(delete(tables.jobs).where(tables.jobs.c.address == address(1)))
        connection.execute(delete(tables.observations).where(tables.observations.c.src_ip == address(3)))
        connection.execute(text("UPDATE hosts SET last_seen = last_seen + 1"))
    assert kept_counts(database) == true_counts(database)


def test_jobs_that_input_makes_are_counted_many_at_once(sqlite_database: Database) -> None:
    """Exactly, with those that exist already and those of hosts whose geolocation was counted before; not one by one.

    Break: count each by a trigger, or all jobs that were asked for.
    """
    new = [NewJob(kind=kind, address=address(n)) for n in range(200) for kind in ("domain", "geolocation")]
    sqlite_database.write(creation.create, new[:100])
    sqlite_database.write(creation.create, new[100:150])
    statements = []
    with sqlite_database.writing() as connection:
        connection.connection.driver_connection.set_trace_callback(statements.append)  # type: ignore[union-attr]
        creation.create(connection, new)
        connection.connection.driver_connection.set_trace_callback(None)  # type: ignore[union-attr]
    # The jobs of two kinds, and the hosts whose first job it is.
    assert sum("INSERT INTO counts" in statement for statement in statements) == 3
    assert kept_counts(sqlite_database) == true_counts(sqlite_database)
    assert kept_counts(sqlite_database)[1] == {("domain", "pending"): 200, ("geolocation", "pending"): 200}
    with sqlite_database.reading() as connection:
        assert stats.coverage(connection).hosts == 200


def seen(numbers: range) -> Batch:
    """Return a batch of hosts with a port and a banner on another, connections to them, and their jobs."""
    batch = Batch(1, PAST, "tool")
    banner = {"protocol": "tcp", "source": "probe", "observed_at": PAST, "text": "220", "raw": b"220"}
    for n in numbers:
        batch.observe(Observation(src_ip=address(0), dst_ip=address(n), dst_port=443))
        batch.observe(Observation(src_ip=address(0), dst_ip=address(n), dst_port=80, identity=f"flow {n}"))
    batch.hosts = [(address(n), PAST, PAST + n, False) for n in numbers]
    batch.ports = [(address(n), "tcp", 443, PAST, PAST + n, False) for n in numbers]
    batch.facts = Facts(banners=[Banner(address=address(n), port=25, service="smtp", **banner) for n in numbers])
    batch.jobs = [NewJob(kind=kind, address=address(n)) for n in numbers for kind in ("domain", "geolocation")]
    return batch


def test_writers_count_what_is_new(database: Database) -> None:
    """Of a batch that is known in part, after rows in the middle and at the end were deleted, and not when rolled back.

    Break: leave out `counts.adding` in write_batch._upsert, facts._write_banners or creation.create, or count `batch.identified`.
    """

    def roll_back(connection: Connection, numbers: range) -> None:
        write_batch.write(connection, seen(numbers))
        raise ZeroDivisionError

    for numbers in (range(20), range(10, 40), range(5, 45)):
        with pytest.raises(ZeroDivisionError):
            database.write(roll_back, numbers)
        assert kept_counts(database) == true_counts(database)
        database.write(write_batch.write, seen(numbers))
        assert kept_counts(database) == true_counts(database)
        with database.writing() as connection:
            for table in (tables.hosts, tables.ports, tables.jobs):
                gone = [address(numbers[3]), address(numbers[-1])]
                connection.execute(delete(table).where(table.c.address.in_(gone)))
        assert kept_counts(database) == true_counts(database)
    assert kept_counts(database)[0]["hosts"] == 42


def test_coverage_counts_hosts_whose_job_waits_or_was_started(database: Database) -> None:
    """Each host once: before its first job is sent, after, when it is made again, and not when that job was taken back.

    Break: leave out the triggers that watch jobs cease to be pending, or the count of those that have not.
    """

    def covered() -> int:
        with database.reading() as connection:
            return stats.coverage(connection).hosts

    new = [NewJob(kind="geolocation", address=address(n)) for n in range(10)]
    database.write(creation.create, new[:8])
    database.write(creation.create, new)
    assert covered() == 10
    sent = database.write(jobs.mark_sent, "geolocation", 3, 4)
    assert covered() == 10
    database.write(jobs.unmark_sent, [job.id for job in sent])
    database.write(creation.create, new)
    job_admin.cancel(database, Selection(address=address(9)))
    database.write(creation.create, new)
    assert covered() == 10
    with database.writing() as connection:
        connection.execute(delete(tables.jobs))
    with database.reading() as connection:
        started = connection.execute(select(func.count()).select_from(tables.freshness)).scalar_one()
    assert covered() == started == 5


def test_no_trigger_watches_new_rows_on_sqlite(sqlite_database: Database) -> None:
    """Its mere presence costs a quarter of reading in. What is searched for is written later, by rounds of its own."""
    with sqlite_database.reading() as connection:
        found = connection.execute(text("SELECT sql FROM sqlite_master WHERE type = 'trigger'")).scalars().all()
    assert len(found) > 3
    assert [each for each in found if "AFTER INSERT" in each and "ON search_texts" not in each] == []


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


def test_the_count_of_connections_is_exact(database: Database) -> None:
    """Whatever is deleted, from the middle, from the end or everything, and added again after it."""
    ids = tables.observations.c.id
    connect(database, 40)
    for condition in (ids % 3 == 0, ids > 30, ids == 29, ids > 0):
        with database.writing() as connection:
            connection.execute(delete(tables.observations).where(condition))
        assert kept_counts(database) == true_counts(database)
        connect(database, 10)
        assert kept_counts(database) == true_counts(database)


def test_what_backends_counted_is_folded(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of backends that are gone become one, and the count stays."""
    monkeypatch.setattr(counts, "_FOLDED_ABOVE", 0)
    for numbers in (range(10), range(10, 20), range(20, 30)):
        database.write(write_batch.write, seen(numbers))
        database.dispose()
    database.write(counts.fold)
    with database.reading() as connection:
        slots = connection.execute(select(func.count()).where(tables.counts.c.name == "hosts")).scalar_one()
    assert slots == 1
    assert kept_counts(database) == true_counts(database)


def test_a_paused_export_holds_no_transaction(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite's log can be emptied and PostgreSQL sees no open transaction while its reader waits; no row is lost or twice.

    Break: read the stream in one transaction.
    """
    monkeypatch.setattr(exports, "_ROWS_AT_ONCE", 7)
    add_ports(database, range(50))
    rows = iter(exports.stream(database, "ports").rows)
    first = next(rows)
    add_ports(database, range(100, 110))
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if database.is_sqlite:
            assert _busy(database) == 0
        else:
            query = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = current_database()"
            assert connection.exec_driver_sql(query).scalar() == 0
    found = [row["address"] for row in (first, *rows)]
    assert sorted(found) == sorted({*found})
    assert {address(n) for n in range(50)} <= set(found)


def _busy(database: Database) -> int:
    raw = database.engine.raw_connection()
    try:
        busy: int = raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        return busy
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
