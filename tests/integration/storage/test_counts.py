"""Counts that are kept instead of counted: exact after whatever writers do."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from msgspec.structs import replace
from sqlalchemy import Connection, delete, func, or_, select, text

from cobalt_tasks.core.records import Banner, Facts, Location, NewJob, Observation, State
from cobalt_tasks.db import counts, tables
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts import locations, stats
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.store import write_batch
from cobalt_tasks.jobs import admin as job_admin
from cobalt_tasks.jobs import creation
from cobalt_tasks.jobs import store as jobs
from cobalt_tasks.jobs.admin import Selection
from tests.support.many_rows import PAST, add_ports, address, connect
from tests.support.waiting import wait_until


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
        covered = select(func.count()).where(tables.freshness.c.kind == "geolocation")
        by_table["covered"] = connection.execute(covered).scalar_one()
        places = (tables.locations.c.country_code, tables.locations.c.latitude)
        located = select(func.count()).where(or_(*(place.is_not(None) for place in places)))
        by_table["located"] = connection.execute(located).scalar_one()
        return by_table, {(kind, state): n for kind, state, n in connection.execute(grouped)}


def kept_counts(database: Database) -> tuple[dict[str, int], dict[tuple[str, str], int]]:
    """Return what triggers and writers have kept."""
    with database.reading() as connection:
        by_table = {
            table.name: counts.table_size(connection, table)
            for table in (tables.observations, tables.hosts, tables.ports)
        }
        by_table |= {"covered": counts.covered(connection), "located": counts.located(connection)}
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


def test_located_hosts_are_counted_as_they_come_and_go(database: Database) -> None:
    """A country or coordinates count, once; a look-up that found neither does not, nor one that lost what was known."""

    def locate(first: int, place: Location) -> None:
        facts = [replace(place, address=address(number), provider="mmdb") for number in range(first, first + 10)]
        with database.writing() as connection:
            locations.write(connection, facts)

    by_country, by_point, nowhere = Location(country_code="NL"), Location(latitude=52.1, longitude=5.1), Location()
    for first, place, known in (
        (0, by_country, 10),
        (5, by_point, 15),
        (10, by_country, 20),
        (15, nowhere, 15),
        (20, nowhere, 15),
        (18, by_point, 25),
    ):
        locate(first, place)
        assert kept_counts(database)[0]["located"] == known
    with database.writing() as connection:
        connection.execute(delete(tables.locations).where(tables.locations.c.address < address(12)))
    assert kept_counts(database) == true_counts(database)
    with database.reading() as connection:
        assert stats.coverage(connection).located == counts.located(connection) > 0


def test_no_trigger_watches_new_rows_of_input_on_sqlite(sqlite_database: Database) -> None:
    """Its mere presence costs a quarter of reading in. What is searched for is written later, by rounds of its own, and what
    is fresh as jobs end.
    """
    with sqlite_database.reading() as connection:
        found = connection.execute(text("SELECT sql FROM sqlite_master WHERE type = 'trigger'")).scalars().all()
    assert len(found) > 3
    later = ("ON search_texts", "ON freshness", "ON locations")
    assert [each for each in found if "AFTER INSERT" in each and not any(table in each for table in later)] == []


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

    def slots() -> int:
        database.write(counts.fold)
        with database.reading() as connection:
            return int(connection.execute(select(func.count()).where(tables.counts.c.name == "hosts")).scalar_one())

    # PostgreSQL lists a backend for a moment after its client has gone.
    wait_until(lambda: slots() == 1, "the backends are gone")
    assert kept_counts(database) == true_counts(database)
