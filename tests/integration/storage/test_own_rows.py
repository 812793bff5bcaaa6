"""A statement about one source, connection, provider, start or fact changes that alone; the pages of what lies ahead."""

import time

import pytest
from sqlalchemy import insert, select, update

from cobalt_tasks.core.catalog import BY_NAME, KINDS
from cobalt_tasks.core.keep_limits import KeepLimit
from cobalt_tasks.core.records import Authority, Facts, Hostname, Job, NewJob, Observation, Outcome, Verdict
from cobalt_tasks.db import counts
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import freshness, identities, jobs, observations, sources
from cobalt_tasks.geolocation import quotas
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.store import partial_line, write_batch
from cobalt_tasks.ingest.store.sources import find_journal
from cobalt_tasks.jobs import (
    admin,
    clock_repair,
    completion,
    creation,
    rounds,
    starts,
)
from tests.support.banner_jobs import banner_job


def test_only_answered_look_ups_end_names() -> None:
    """Of outcomes of every kind, those of reverse look-ups alone show which names a host has."""
    found = Facts(hostnames=[Hostname(address="192.0.2.1", name="a.example", source="ptr", observed_at=1.0)])
    outcomes = [
        Outcome(
            job=Job(id=1, kind=kind.name, address=kind.name, protocol="", port=0, attempts=0, forced=False),
            verdict=Verdict.DONE,
            code=code,
            facts=found,
        )
        for kind in KINDS
        for code in (*completion._ANSWERED, "silent")
    ]
    assert completion._looked_up(outcomes) == {"domain": {"a.example"}}


def test_a_journal_is_found_by_its_name(sqlite_database: Database) -> None:
    """Journals with names before and behind it are others."""
    with sqlite_database.writing() as connection:
        counted = {"read": 0, "accepted": 0, "created_at": 0.0, "updated_at": 0.0}
        connection.execute(insert(sources), [{"name": head, "head": head, **counted} for head in "bac"])
        for head in "abc":
            found = find_journal(connection, head)
            assert found is not None
            assert found.name == head


def test_a_better_line_raises_its_own_connection_alone(sqlite_database: Database) -> None:
    """Of three connections one is known better afterwards, and the lines that are to come decide about the others."""

    def line(name: str, authority: Authority) -> Batch:
        batch = Batch(1, 1760000100.0, "zeek")
        ends = {"src_ip": "192.0.2.2", "src_port": 40000, "dst_ip": "192.0.2.3", "dst_port": 443}
        batch.observe(Observation(**ends, identity=name, authority=authority, observed_at=1760000000.0))  # type: ignore[arg-type]
        return batch

    for name in "abc":
        sqlite_database.write(write_batch.write, line(name, Authority.PACKET))
    known = select(identities.c.key, identities.c.authority).order_by(identities.c.key)
    with sqlite_database.reading() as connection:
        keys = list(connection.execute(select(identities.c.key).order_by(identities.c.key)).scalars())
    middle = next(name for name in "abc" if next(iter(line(name, Authority.FLOW).identified)) == keys[1])
    sqlite_database.write(write_batch.write, line(middle, Authority.FLOW))
    with sqlite_database.reading() as connection:
        found = [row.authority for row in connection.execute(known)]
    assert found == [Authority.PACKET, Authority.FLOW, Authority.PACKET]


def test_a_batch_is_counted_whole(sqlite_database: Database) -> None:
    """Connections with and without an identity count together, and a new port is a change with all its parts."""
    batch = Batch(1, 1760000100.0, "suricata")
    for port in range(1, 6):
        batch.observe(
            Observation(
                src_ip="192.0.2.2", src_port=40000, dst_ip="192.0.2.3", dst_port=port, observed_at=1760000000.0,
                identity=str(port) if port < 3 else None,
            )
        )  # fmt: skip
    batch.ports.append(("192.0.2.3", "tcp", 22, 1760000001.0, 1760000002.0, False))
    sqlite_database.write(write_batch.write, batch)
    with sqlite_database.reading() as connection:
        assert counts.table_size(connection, observations) == 5
    (found,) = write_batch._new_ports(batch, [("192.0.2.3", "tcp", 22)])
    assert (found.address, found.protocol, found.port, found.observed_at) == ("192.0.2.3", "tcp", 22, 1760000001.0)
    batch.ports = [("192.0.2.3", "tcp", 23, 1.0, 2.0, True), ("192.0.2.4", "tcp", 23, 1.0, 2.0, True)]
    batch.own = {"192.0.2.4"}
    assert [each.address for each in write_batch._new_ports(batch, [row[:3] for row in batch.ports])] == ["192.0.2.4"]


def test_what_a_first_job_left_goes_by_its_own_host(sqlite_database: Database) -> None:
    """A job of a neighbour does not keep the mark of a host that has none."""
    sqlite_database.write(
        creation.create, [NewJob(kind="domain", address=address) for address in ("192.0.2.1", "192.0.2.3")]
    )
    addresses = ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    with sqlite_database.writing() as connection:
        connection.execute(freshness.delete())
        row = {"kind": "domain", "protocol": "", "port": 0}
        connection.execute(insert(freshness), [{**row, "address": address} for address in addresses])
        partial_line._forget_work(connection, addresses)
        assert list(connection.execute(select(freshness.c.address)).scalars()) == ["192.0.2.1", "192.0.2.3"]


def test_pages_of_what_lies_ahead_go_on_behind_their_last_row(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full page returns when its last job is due, and the page after it the rest; a page that is not full is the last."""
    monkeypatch.setattr(clock_repair, "_AT_ONCE", 3)
    sqlite_database.write(creation.create, [banner_job(port) for port in range(1, 5)])
    ahead = time.time() + 10_000
    with sqlite_database.writing() as connection:
        for port in range(1, 5):
            values = {"created_at": ahead, "not_before": ahead + port}
            connection.execute(update(jobs).where(jobs.c.port == port).values(**values))
        selected = jobs.c.kind == "banner"
        assert clock_repair._mend_jobs(connection, 0.0, selected) == ahead + 3
        assert clock_repair._mend_jobs(connection, ahead + 3, selected) is None
        row = {"kind": "banner", "address": "192.0.2.1", "protocol": "tcp"}
        facts = [{**row, "port": port, "fresh_until": ahead * 2 + port} for port in range(1, 5)]
        connection.execute(insert(freshness), facts)
        assert clock_repair._mend_facts(connection, 0.0, BY_NAME["banner"]) == ahead * 2 + 3
        assert clock_repair._mend_facts(connection, ahead * 2 + 3, BY_NAME["banner"]) is None


def test_an_age_is_its_own(sqlite_database: Database) -> None:
    """Fractions of a second stay; what lies a little ahead is 0, and what lies far ahead is unknown."""
    assert [rounds._age(age) for age in (0.25, 0.0, -0.5, None, -1e6)] == [0.25, 0.0, 0.0, None, None]
    sqlite_database.write(starts.add, "a", None)
    for _ in range(2):
        sqlite_database.write(starts.add, "a", "boom")
    with sqlite_database.reading() as connection:
        assert starts.loops(connection) == []
    sqlite_database.write(starts.add, "a", "boom")
    with sqlite_database.reading() as connection:
        assert [(each.restarts, each.reason) for each in starts.loops(connection)] == [(3, "boom")]


def test_an_end_takes_its_own_start_back(sqlite_database: Database) -> None:
    """Processes with names before and behind it keep theirs."""
    for name in ("a", "c", "b", "c"):
        sqlite_database.write(starts.add, name, None)
    sqlite_database.write(starts.forget, "b")
    with sqlite_database.reading() as connection:
        assert sorted(connection.execute(select(starts.starts.c.name)).scalars()) == ["a", "c", "c"]


def test_nothing_goes_while_there_is_room(sqlite_database: Database) -> None:
    """Of the history of jobs nothing is deleted below the size that is kept, and that is what is reported."""
    assert sqlite_database.write(admin.prune, KeepLimit("1TB")) == 0


def test_a_start_a_moment_ahead_counts(sqlite_database: Database) -> None:
    """Clocks are read a moment apart: what was written by one that is a little ahead is no less of a loop."""
    for _ in range(3):
        sqlite_database.write(starts.add, "a", "boom")
    with sqlite_database.writing() as connection:
        connection.execute(update(starts.starts).values(at=starts.starts.c.at + 0.9))
        assert [each.restarts for each in starts.loops(connection)] == [3]


def test_one_provider_answers_for_itself(sqlite_database: Database) -> None:
    """A success closes the breaker of its provider, and headers correct the window they are about."""
    limits = tuple(quotas.Limit(window=window, calls=10) for window in (60.0, 3600.0, 86400.0))
    reserved = {
        name: sqlite_database.write(lambda c, name=name: quotas.reserve(c, name, limits, 1, 5.0)) for name in "abc"
    }
    for each in reserved.values():
        for _ in range(2):
            sqlite_database.write(quotas.record_failure, each, "down", lambda _: 1000.0)
    with sqlite_database.reading() as connection:
        before = {name: quotas._breaker(connection, name, 0.0).failures for name in "abc"}
    sqlite_database.write(quotas.record_success, reserved["b"])
    with sqlite_database.reading() as connection:
        after = {name: quotas._breaker(connection, name, 0.0).failures for name in "abc"}
    assert before["b"] > 0
    assert after == {**before, "b": 0}
