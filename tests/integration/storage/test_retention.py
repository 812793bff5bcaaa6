"""What the settings do not keep is deleted in small steps; what is needed stays, and counts as known."""

import time
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import func, insert, select, update

from cobalt_tasks.core import keep_limits
from cobalt_tasks.core import settings as environment
from cobalt_tasks.core.changes import ChangeKind
from cobalt_tasks.core.durations import DAY
from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.core.keep_limits import KeepLimit
from cobalt_tasks.core.machine import Disk
from cobalt_tasks.core.records import Observation
from cobalt_tasks.db import clocks, cursors, old_rows, tables
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts import ledger_size, traffic_counts
from cobalt_tasks.hosts.ledger_size import LedgerSize
from cobalt_tasks.hosts.retention import Retention
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.store import write_batch
from cobalt_tasks.ingest.store.sources import Tally
from cobalt_tasks.ingest.streams import leftover
from cobalt_tasks.jobs import admin
from cobalt_tasks.threat import unscored
from cobalt_tasks.views import health

NOW = time.time()
EVERYTHING = 2**62


def connections(database: Database, days: float, *numbers: int, source_id: int = 1) -> Tally:
    """Store connections that arrived some days ago: even ones with an identity, odd ones without."""
    batch = Batch(source_id, NOW - days * DAY, "zeek")
    for number in numbers:
        identity = f"C{number}" if number % 2 == 0 else None
        ends = {"src_ip": "10.0.0.1", "src_port": number, "dst_ip": "192.0.2.1", "dst_port": 443}
        batch.observe(Observation(**ends, identity=identity, observed_at=NOW - days * DAY))  # type: ignore[arg-type]
    return database.write(write_batch.write, batch)


def count(database: Database, table: str) -> int:
    """Return how many rows a table has."""
    with database.reading() as connection:
        chosen = select(func.count()).select_from(tables.metadata.tables[table])
        return connection.execute(chosen).scalar_one()


def kept(database: Database, **limits: str) -> Retention:
    """Return the retention of some settings, in a ledger whose clock is trusted and whose rows scoring has read."""
    with database.writing() as connection:
        clocks.record(connection)
        cursors.move(connection, unscored.OBSERVED, EVERYTHING)
    return Retention(environment.load({f"COBALT_KEEP_{name.upper()}": text for name, text in limits.items()}))


@pytest.mark.parametrize("text", ["", "90", "0d", "-1d", "1m", "GB", "1 000 GB", "10kB", "nan d", "1e9y"])
def test_what_is_no_limit_is_refused(text: str) -> None:
    """One line that names the variable and shows what to write."""
    with pytest.raises(ValueError, match="no age and no size"):
        KeepLimit(text)
    if text:
        with pytest.raises(ConfigurationError, match=r"COBALT_KEEP_JOBS.*90d"):
            environment.load({"COBALT_KEEP_JOBS": text})


def test_limits_are_ages_or_sizes() -> None:
    """Whatever their case; the older setting of days counts where the other is not set."""
    read = [(each.seconds, each.size) for each in map(KeepLimit, ("12h", "1.5 D", "1y", "20GB", "500 mb"))]
    assert read == [(43200, None), (1.5 * DAY, None), (365 * DAY, None), (None, 20 * 10**9), (None, 500 * 10**6)]
    assert keep_limits.of_days(environment.load({}).history_days) is None
    days = keep_limits.of_days(environment.load({"COBALT_HISTORY_DAYS": "7"}).history_days)
    assert days is not None
    assert days.seconds == 7 * DAY


def test_nothing_goes_without_a_setting(database: Database) -> None:
    """The default keeps everything, however old."""
    connections(database, 5000, 1, 2)
    assert kept(database).run(database) == 0
    assert count(database, "observations") == 2


def test_old_connections_go_and_their_lines_stay_known(database: Database) -> None:
    """A copy of the file is read again: its lines are duplicates, no row comes back, and the counts of days stay.

    Break: `_join` of rows that are gone, in ingest/store/identities.py.
    """
    connections(database, 100, *range(0, 20, 2))
    connections(database, 10, *range(100, 120, 2))
    with database.reading() as connection:
        before = traffic_counts.find(connection, "day", 0)
    assert kept(database, connections="90d").run(database) == 10
    assert count(database, "observations") == 10
    again = connections(database, 0, *range(0, 20, 2), source_id=2)
    assert (again.read, again.accepted, again.duplicates) == (10, 0, 10)
    assert count(database, "observations") == 10
    with database.reading() as connection:
        assert traffic_counts.find(connection, "day", 0) == before
        assert sum(number for *_, number in before) == 20


def test_what_scoring_has_not_read_stays(database: Database) -> None:
    """Findings come from connections: those not looked at are kept, however old. Break: `read` in _drop_connections."""
    connections(database, 100, 1, 3, 5)
    connections(database, 0, 7)
    retention = kept(database, connections="90d")
    with database.writing() as connection:
        third = (
            connection.execute(select(tables.observations.c.id).order_by(tables.observations.c.id)).scalars().all()[2]
        )
        connection.execute(update(tables.cursors).values(position=third - 1))
    assert retention.run(database) == 2
    assert count(database, "observations") == 2


def test_a_clock_that_was_stepped_deletes_nothing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day ahead, everything would be old. Break: is_trusted in Retention.run."""
    connections(database, 80, 1, 3)
    retention = kept(database, connections="90d")
    with database.writing() as connection:
        connection.execute(update(tables.clocks).values(ahead=tables.clocks.c.ahead - 20 * DAY))
    assert retention.run(database) == 0
    assert count(database, "observations") == 2


def test_identities_go_a_month_after_their_connections(database: Database) -> None:
    """A table of what is known for ever would grow for ever. Break: `_drop_identities`."""
    connections(database, 200, 2, 4)
    connections(database, 100, 6)
    connections(database, 0, 8)
    retention = kept(database, connections="90d")
    retention.run(database)
    assert (count(database, "observations"), count(database, "identities")) == (1, 2)


def test_a_size_keeps_the_newest(database: Database) -> None:
    """About so many bytes stay, and they are the newest connections."""
    for days in range(20, 0, -1):
        connections(database, days, *range(1, 200, 2))
    with database.reading() as connection:
        every = 2000 * old_rows._row_bytes(connection, tables.observations)
    retention = kept(database, connections=f"{every / 4 / 10**6:.3f}MB")
    retention.run(database)
    assert 400 < count(database, "observations") <= 600
    with database.reading() as connection:
        oldest = connection.execute(select(func.min(tables.observations.c.arrived_at))).scalar_one()
    assert oldest > NOW - 7 * DAY


def test_rejects_and_jobs_go_by_age(database: Database) -> None:
    """Refused lines by their arrival; jobs by their end, and never one that has not ended."""
    with database.writing() as connection:
        source = {"id": 1, "name": "scan", "created_at": NOW, "updated_at": NOW}
        connection.execute(insert(tables.sources), source)
        reject = {"source_id": 1, "position": 0, "reason": "no JSON", "line": b"x"}
        ages = (100, 95, 10)
        connection.execute(insert(tables.rejects), [{"arrived_at": NOW - days * DAY, **reject} for days in ages])
        job = {"kind": "banner", "protocol": "tcp", "port": 1, "level": 1, "forced": False, "isolated": False}
        job |= {"attempts": 0, "not_before": 0.0, "created_at": NOW - 200 * DAY}
        ended = [("done", 100), ("dead", 95), ("failed", 10), ("pending", None)]
        rows = [
            {"address": f"10.0.0.{n}", "state": state, "finished_at": days and NOW - days * DAY, **job}
            for n, (state, days) in enumerate(ended)
        ]
        connection.execute(insert(tables.jobs), rows)
    assert kept(database, rejects="90d").run(database) == 2
    assert database.write(admin.prune, KeepLimit("90d")) == 2
    assert (count(database, "rejects"), count(database, "jobs")) == (1, 2)


def _port(address: str, closed_days: float | None) -> dict[str, object]:
    closed = None if closed_days is None else NOW - closed_days * DAY
    seen = {"first_seen": NOW - 400 * DAY, "last_seen": NOW - 390 * DAY}
    return {
        "address": address,
        "protocol": "tcp",
        "port": 1,
        "unconfirmed_since": closed,
        "closed_since": closed,
        **seen,
    }


def test_history_goes_but_not_what_is_shown(database: Database) -> None:
    """Old changes, ports closed for long, and banners that newer ones replaced; not the only banner of a port, nor a port
    that a job is for. Break: `is_replaced`, or `has_job`.
    """
    with database.writing() as connection:
        closed = ("10.0.0.1", 100), ("10.0.0.2", 100), ("10.0.0.3", 5), ("10.0.0.4", None)
        connection.execute(insert(tables.ports), [_port(address, days) for address, days in closed])
        job = {"kind": "banner", "address": "10.0.0.2", "protocol": "tcp", "port": 1, "level": 1, "state": "pending"}
        job |= {"forced": False, "isolated": False, "attempts": 0, "not_before": 0.0, "created_at": NOW}
        connection.execute(insert(tables.jobs), job)
        banner = {"protocol": "tcp", "port": 1, "source": "probe", "text": "x", "raw": b"x", "first_seen": 0.0}
        seen = ("10.0.0.4", "a", 200), ("10.0.0.4", "b", 100), ("10.0.0.5", "a", 300), ("10.0.0.1", "a", 120)
        connection.execute(
            insert(tables.banners),
            [{"address": host, "digest": name, "last_seen": NOW - days * DAY, **banner} for host, name, days in seen],
        )
        change = {"kind": ChangeKind.PORT_OPENED, "protocol": "tcp", "port": 1, "source_id": 1, "address": "10.0.0.1"}
        at = [{"recorded_at": NOW - days * DAY, "observed_at": 0.0, **change} for days in (100, 95, 3)]
        connection.execute(insert(tables.changes), at)
    assert kept(database, history="90d").run(database) > 0
    with database.reading() as connection:
        assert sorted(connection.execute(select(tables.ports.c.address)).scalars()) == [
            "10.0.0.2",
            "10.0.0.3",
            "10.0.0.4",
        ]
        left = connection.execute(select(tables.banners.c.address, tables.banners.c.digest)).all()
    assert sorted(map(tuple, left)) == [("10.0.0.4", "b"), ("10.0.0.5", "a")]
    assert count(database, "changes") == 1


def test_deleting_goes_in_small_transactions(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each transaction deletes a bounded number of rows; one that is killed in between is finished later."""
    monkeypatch.setattr("cobalt_tasks.hosts.retention._AT_ONCE", 10)
    connections(database, 100, *range(1, 200, 2))
    connections(database, 0, 1)
    retention = kept(database, connections="90d")
    assert retention.run(database, seconds=0.0) == 10
    assert count(database, "observations") == 91
    while retention.run(database):
        pass
    assert count(database, "observations") == 1


def test_old_journals_go(tmp_path: Path) -> None:
    """By the age of their last byte, or the oldest of them until the rest is small enough. Break: `expire`."""

    def journals() -> None:
        for day in (1, 2, 3):
            folder = tmp_path / f"2026010{day}T000000-00000000000{day}"
            folder.mkdir(exist_ok=True)
            (folder / "about.json").write_text('{"name": "pipe"}')
            (folder / "0.data").write_bytes(b"x" * 1000)
            import os

            os.utime(folder / "0.data", (NOW - (10 - day) * DAY,) * 2)

    journals()
    assert [each.since < NOW - 8.5 * DAY for each in leftover.expire(tmp_path, KeepLimit("8.5d"))] == [True]
    journals()
    limit = KeepLimit("1MB")
    limit.size = 1500
    assert len(leftover.expire(tmp_path, limit)) == 2
    assert [each.journal for each in leftover.find(tmp_path)] == ["20260103T000000-000000000003"]


def test_pages_of_sqlite_are_given_back(tmp_path: Path) -> None:
    """The file shrinks after rows went, some pages in each step. Break: auto_vacuum in db/engine.py."""
    database = Database(f"sqlite:///{tmp_path}/cobalt.db")
    tables.metadata.create_all(database.engine)
    for days in range(100, 90, -1):
        connections(database, days, *range(1, 4000, 2))
    connections(database, 0, 1)
    retention = kept(database, connections="90d")

    def pages() -> int:
        with database.reading() as connection:
            return int(connection.exec_driver_sql("PRAGMA page_count").scalar_one())

    before = pages()
    retention.run(database, seconds=30)
    assert count(database, "observations") == 1
    assert pages() < before / 4
    database.dispose()


def test_the_disk_is_reported_before_it_is_full(database: Database) -> None:
    """By the growth of the last week against what is free; nothing without growth, or far ahead. Break: `_forecast`."""
    with database.writing() as connection:
        ledger_size.record(connection)
        connection.execute(update(tables.ledger_sizes).values(day=tables.ledger_sizes.c.day - 4, bytes=0))
        ledger_size.record(connection)
        found = ledger_size.find(connection)
    assert found.growth == pytest.approx(found.bytes / 4)
    disk = Disk(folder="/data", free=30 * 10**9, total=10**12)
    skew = {"backlog": {}, "rounds": {}, "loops": [], "clock_skew": 0.0}

    def reported(growth: float | None) -> list[str]:
        ledger = health.Ledger(**skew, size=LedgerSize(bytes=0, growth=growth))  # type: ignore[arg-type]
        facts = health.HealthInputs(
            ledger=ledger, broker_trouble=None, workers=[], queue_ages={}, disks=[], ledger_disk=disk, watched=0.0
        )
        return [each.text for each in health._machines(facts)]

    assert reported(None) == reported(-1.0) == reported(10**9) == []
    (text,) = reported(5 * 10**9)
    assert "full in about 6 days" in text
    assert "COBALT_KEEP_CONNECTIONS" in text


def test_traffic_is_counted_by_hour_and_day(database: Database) -> None:
    """Each connection once, in the hour it came in, also when lines join and when the rows are folded."""
    connections(database, 1, 1, 2, 3)
    connections(database, 1, 2, 4)
    with database.writing() as connection:
        traffic_counts.fold(connection)
        days = traffic_counts.find(connection, "day", NOW - 2 * DAY)
        hours = traffic_counts.find(connection, "hour", NOW - 2 * DAY)
    at = NOW - DAY
    assert days == [(int(at // DAY * DAY), "tcp", 4)]
    assert hours == [(int(at // 3600 * 3600), "tcp", 4)]
    assert msgspec.json.encode(days)
