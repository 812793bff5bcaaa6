"""What people do with jobs by hand."""

import time

import pytest
from sqlalchemy import insert, select, update

from cobalt_tasks.core import keep_limits
from cobalt_tasks.core.records import Banner, Facts, NewJob, Outcome, State, Verdict
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import banners
from cobalt_tasks.db.tables import jobs as table
from cobalt_tasks.jobs import admin as job_admin
from cobalt_tasks.jobs import creation, leases
from cobalt_tasks.jobs import store as jobs
from cobalt_tasks.jobs.admin import Selection
from cobalt_tasks.jobs.completion import complete
from tests.support.claims import reap
from tests.support.recount import recount

ADDRESS = "192.0.2.10"
EVERYTHING = Selection()
PATIENCE = 30.0
"""Seconds; asked the wrong way it takes minutes."""


def add(database: Database, count: int, state: State, address: str = ADDRESS) -> None:
    """Put jobs for many ports of one host into the ledger."""
    common = {"kind": "banner", "address": address, "protocol": "tcp", "level": 1, "state": state, "isolated": False}
    common |= {"forced": False, "attempts": 1, "not_before": 0.0, "created_at": 0.0, "finished_at": 1.0}
    with database.writing() as connection:
        connection.execute(insert(table), [{**common, "port": port} for port in range(1, count + 1)])
        recount(connection)


def states(database: Database) -> list[str]:
    """Every job's state, the oldest first."""
    with database.reading() as connection:
        return list(connection.execute(select(table.c.state).order_by(table.c.id)).scalars())


def claimed(database: Database) -> jobs.Claim:
    """Make one job, and claim it."""
    database.write(creation.create, [NewJob(kind="banner", address=ADDRESS, protocol="tcp", port=22)])
    (sent,) = database.write(jobs.mark_sent, "banner", 1, 10)
    return database.write(jobs.claim, "banner", [sent.id], 15.0)


def test_named_jobs_are_all_changed_page_by_page(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those behind the first page. Break: `_is_below` in admin.py turned round."""
    monkeypatch.setattr(job_admin, "_CHANGED_AT_ONCE", 2)
    add(sqlite_database, 5, State.PENDING)
    assert job_admin.cancel(sqlite_database, Selection(ids=range(1, 5))) == 4
    assert states(sqlite_database) == ["cancelled"] * 4 + ["pending"]


def test_a_job_cancelled_while_it_runs_writes_nothing(database: Database) -> None:
    """Its claim is gone: neither outcome nor fact of it is stored, and no sweep brings it back. Break: claim=None
    in job_admin._cancel.
    """
    claim = claimed(database)
    assert job_admin.cancel(database, Selection(ids=[claim.jobs[0].id])) == 1
    assert database.write(leases.renew, [claim.token], 15.0) == 0
    fact = Banner(address=ADDRESS, protocol="tcp", port=22, source="probe", observed_at=1.0, text="x", raw=b"x")
    found = Outcome(job=claim.jobs[0], verdict=Verdict.DONE, code="open", facts=Facts(banners=[fact]))
    database.write(complete, claim.token, [found])
    assert reap(database, after=15.0) == 0
    assert states(database) == ["cancelled"]
    with database.reading() as connection:
        assert connection.execute(select(banners)).all() == []


def test_what_has_ended_is_not_cancelled(database: Database) -> None:
    """History stays as it is."""
    for port, state in enumerate(State):
        add(database, 1, state, f"192.0.2.{port}")
    assert job_admin.cancel(database, EVERYTHING) == 3
    assert states(database) == ["cancelled"] * 3 + ["done", "failed", "dead", "cancelled"]


def test_a_dead_job_has_all_its_attempts_again_and_goes_alone(database: Database) -> None:
    """It is due at once, whatever paused its target, and still takes nobody with it."""
    claimed(database)
    with database.writing() as connection:
        connection.execute(update(table).values(attempts=2, isolated=True))
    assert reap(database, after=15.0) == 1
    assert states(database) == ["dead"]
    assert job_admin.retry(database, Selection(state="dead")) == 1
    (sent,) = database.write(jobs.mark_sent, "banner", 1, 10)
    assert sent.isolated
    (job,) = database.write(jobs.claim, "banner", [sent.id], 15.0).jobs
    assert (job.attempts, job.isolated) == (0, True)


@pytest.mark.parametrize("at_once", [1, 1000])
def test_of_several_for_one_target_the_newest_is_tried_again(
    database: Database, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """A target has one active job at most, however the old ones are divided. Break: ~is_active, or `newest`, in
    job_admin._retry.
    """
    monkeypatch.setattr(job_admin, "_CHANGED_AT_ONCE", at_once)
    for _ in range(3):
        add(database, 1, State.FAILED)
    assert job_admin.retry(database, EVERYTHING) == 1
    assert states(database) == ["failed", "failed", "pending"]
    assert job_admin.retry(database, EVERYTHING) == 0


def test_many_ports_of_one_host_are_changed_soon_and_page_by_page(database: Database) -> None:
    """A scan of every port of a host that failed: nobody waits for the ledger while its jobs are tried again, or cancelled.

    Break: ask in job_admin._retry for newer jobs of the same target, of which the address is all an index knows.
    """
    add(database, 20_000, State.FAILED)

    began = time.monotonic()
    assert job_admin.retry(database, EVERYTHING) == 20_000
    assert job_admin.cancel(database, EVERYTHING) == 20_000
    assert time.monotonic() - began < PATIENCE


def test_only_old_history_is_pruned(database: Database) -> None:
    """What ended lately, or has not, stays."""
    add(database, 3, State.DONE)
    claimed(database)
    add(database, 1, State.DEAD, "192.0.2.11")
    with database.writing() as connection:
        connection.execute(update(table).where(table.c.state == State.DEAD).values(finished_at=time.time()))
    assert database.write(job_admin.prune, keep_limits.of_days(0.001)) == 3
    assert sorted(states(database)) == ["dead", "running"]


def test_a_state_that_cannot_be_changed_selects_nothing(sqlite_database: Database) -> None:
    """What is done is not cancelled, and what waits is not retried. Break: `wanted` in admin._page_by_page."""
    add(sqlite_database, 2, State.DONE)
    assert job_admin.cancel(sqlite_database, Selection(state=State.DONE)) == 0
    assert states(sqlite_database) == ["done"] * 2


def test_an_empty_ledger_is_pruned_by_size(sqlite_database: Database) -> None:
    """There is no row to go by, and none to delete. Break: None in old_rows.cutoff."""
    assert sqlite_database.write(job_admin.prune, keep_limits.KeepLimit("1MB")) == 0
