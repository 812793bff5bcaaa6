"""No statement of the state machine walks through the table: what a job costs does not grow with the jobs there are."""

import re
import time

import pytest
from sqlalchemy import insert, select

from cobalt_tasks.core.records import NewJob, Outcome, Verdict
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import freshness
from cobalt_tasks.db.tables import jobs as table
from cobalt_tasks.hosts import stats
from cobalt_tasks.jobs import backlog, creation, leases
from cobalt_tasks.jobs import store as jobs
from cobalt_tasks.jobs.completion import complete
from cobalt_tasks.threat import store as findings
from cobalt_tasks.threat import zones
from tests.support.plans import plans

ROWS = 20_000
BATCH = 50
WALKS = re.compile(
    r"(SCAN (jobs|freshness)|Seq Scan on jobs( \w+)?|(SCAN jobs USING|Bitmap Index Scan on).* uq_jobs_active)$",
    re.MULTILINE,
)
"""A table from end to end, or all active jobs. PostgreSQL may still read freshness whole while that is the cheaper way."""


@pytest.fixture
def large(database: Database) -> Database:
    """A ledger with many jobs, final ones and waiting ones, and statistics about them."""
    now = time.time()
    same = {"kind": "geolocation", "protocol": "", "port": 0, "forced": False, "isolated": False, "attempts": 0}
    rows = [
        {
            **same,
            "address": f"10.0.{number >> 8}.{number & 255}",
            "level": 3 if number % 2 else 7,
            "state": "done" if number % 2 else "pending",
            "not_before": now - 1,
            "created_at": now,
            "finished_at": now - 1000 if number % 2 else None,
        }
        for number in range(ROWS)
    ]
    key = ("kind", "address", "protocol", "port")
    facts = [{**{name: row[name] for name in key}, "fresh_until": now + 1000} for row in rows]
    with database.writing() as connection:
        connection.execute(insert(freshness), facts)
        connection.execute(insert(table), rows)
    with database.writing() as connection:
        connection.exec_driver_sql("ANALYZE")
    return database


def one_round(database: Database, number: int) -> None:
    """Everything that workers, ingest and the sweep ask of the state machine."""
    new = [NewJob(kind="geolocation", address=f"11.0.{number}.{last}") for last in range(BATCH)]
    database.write(creation.create, new[:10])
    database.write(creation.create, new)
    with database.reading() as connection:
        backlog.due_levels(connection, "geolocation", [0, 3, 7])
    sent = database.write(jobs.mark_sent, "geolocation", 3, BATCH)
    assert len(sent) == BATCH
    claim = database.write(jobs.claim, "geolocation", [job.id for job in sent], 15.0)
    assert len(claim.jobs) == BATCH
    database.write(leases.renew, [claim.token], 15.0)
    waits = [Outcome(job=job, verdict=Verdict.WAIT, code="no quota", waits_for="quota") for job in claim.jobs]
    database.write(complete, claim.token, waits)
    again = database.write(jobs.claim_waiting, "geolocation", "quota", BATCH, 15.0)
    assert len(again.jobs) == BATCH
    done = [Outcome(job=job, verdict=Verdict.DONE, code="any") for job in again.jobs]
    database.write(complete, again.token, done)
    database.write(leases.reap)
    database.write(jobs.resend, "geolocation", 3, None, 10.0)
    database.write(jobs.unmark_sent, [job.id for job in sent])
    database.write(jobs.release, "no claim")
    with database.reading() as connection:
        stats.oldest_waiting(connection)
        stats.throughput(connection)


def test_no_statement_walks_through_the_jobs(large: Database) -> None:
    """Each uses the key or the index of its state. Break: order what leases.reap takes by id, or let backlog.due_levels
    ask for any job instead of the first.
    """
    one_round(large, 1)
    with plans(large) as found:
        one_round(large, 2)
    assert len(found) > 10
    for plan in found:
        assert not WALKS.search(plan), plan


def test_a_finished_job_is_found_by_its_number(database: Database) -> None:
    """Not by the claim: without statistics SQLite would read the batch once for each of its jobs, and PostgreSQL all that
    was claimed since the last vacuum. Break: name the state in `store.finish_all`.
    """
    database.write(creation.create, [NewJob(kind="geolocation", address=f"10.0.0.{n}") for n in range(BATCH)])
    with database.reading() as connection:
        ids = list(connection.execute(select(table.c.id)).scalars())
    claim = database.write(jobs.claim, "geolocation", ids, 60.0)
    outcomes = [Outcome(job=job, verdict=Verdict.DONE, code="located") for job in claim.jobs]
    with plans(database) as found:
        database.write(complete, claim.token, outcomes)
    assert not [plan for plan in found if "ix_jobs_claim" in plan]


def test_recent_traffic_is_found_by_its_time(sqlite_database: Database) -> None:
    """The page's counts and zones read what is recent, without statistics too. Break: the limit in stats.peers_of."""
    with plans(sqlite_database) as found, sqlite_database.reading() as connection:
        stats.traffic(connection, time.time() - 60)
        zones.zones(connection, time.time() - 900)
    assert sum("SEARCH observations" in plan for plan in found) >= 2
    assert [plan for plan in found if re.search(r"^SCAN observations", plan, re.MULTILINE)] == []


def test_the_queue_of_new_findings_is_measured_by_its_ends(sqlite_database: Database) -> None:
    """Not by a walk through its entries, within the transaction that stores scores. Break: max and min in one SELECT."""
    new = [("192.0.2.1", "risky_port", "tcp/22")]
    with plans(sqlite_database) as found, sqlite_database.writing() as connection:
        findings.announce(connection, [])
        assert found == []
        findings.announce(connection, new)
    assert any("SEARCH new_findings" in plan for plan in found)
    assert not any("SCAN new_findings" in plan for plan in found)
