"""Whether work gets done is read from the ledger by its indexes."""

import time
from typing import Any

import pytest
from sqlalchemy import event, text

from cobalt_tasks.core.catalog import BY_NAME
from cobalt_tasks.core.records import NewJob
from cobalt_tasks.db.engine import Database
from cobalt_tasks.jobs import backlog, creation


@pytest.fixture
def ledger(database: Database) -> Database:
    """A ledger on each database with a job of geolocation, and one of domain, due for 100 seconds."""
    database.write(creation.create, [NewJob(kind=kind, address="8.8.8.8") for kind in ("geolocation", "domain")])
    change(database, f"not_before = {time.time() - 100}")
    return database


def change(ledger: Database, what: str, kind: str = "%") -> None:
    """Change the jobs of a kind."""
    with ledger.writing() as connection:
        connection.execute(text(f"UPDATE jobs SET {what} WHERE kind LIKE :kind"), {"kind": kind})


def find(ledger: Database) -> dict[str, backlog.Backlog]:
    """The backlog, with 30 seconds in which a job counts as finished."""
    with ledger.reading() as connection:
        return backlog.find(connection, 30.0)


def test_a_job_that_nothing_claims_is_due_however_often_it_is_sent(ledger: Database) -> None:
    """Pending or sent, and sent again a moment ago: its age is counted from when it was due. Break: `_unclaimed`."""
    assert find(ledger)["domain"].due_seconds == pytest.approx(100, abs=20)
    change(ledger, f"state = 'sent', sent_at = {time.time()}")
    found = find(ledger)["domain"]
    assert found.due_seconds == pytest.approx(100, abs=20)
    assert found.finished is False


def test_waiting_for_quota_is_not_due(ledger: Database) -> None:
    """A job that waits for a provider's quota waits, and is not due. Break: `waits_for` in `_unclaimed`."""
    change(ledger, "waits_for = 'quota'", "geolocation")
    found = find(ledger)["geolocation"]
    assert found.due_seconds is None
    assert found.waits_seconds == pytest.approx(100, abs=20)


def test_what_runs_or_is_not_due_yet_is_not_late(ledger: Database) -> None:
    """A claimed job is being done; one that is tried again later is not due."""
    change(ledger, "state = 'running'", "domain")
    change(ledger, f"not_before = {time.time() + 100}", "geolocation")
    found = find(ledger)
    assert (found["domain"].due_seconds, found["geolocation"].due_seconds) == (None, None)
    assert found["domain"].finished is None


def test_a_job_finished_lately_is_seen(ledger: Database) -> None:
    """One of the kind within the time asked about, and not one before it."""
    ledger.write(creation.create, [NewJob(kind="geolocation", address=f"8.8.4.{n}") for n in (1, 2)])
    with ledger.writing() as connection:
        done = text("UPDATE jobs SET state = 'done', finished_at = :at WHERE address = :address")
        connection.execute(done, {"at": time.time() - 60, "address": "8.8.4.1"})
        assert backlog.find(connection, 30.0)["geolocation"].finished is False
        connection.execute(done, {"at": time.time() - 1, "address": "8.8.4.2"})
        found = backlog.find(connection, 30.0)
    assert (found["geolocation"].finished, found["domain"].finished) == (True, False)


def test_a_job_tried_in_vain_lately_is_progress(ledger: Database) -> None:
    """DNS servers that do not answer are no stall: their worker is well, and must not be ended for it."""
    ledger.write(creation.create, [NewJob(kind="domain", address="8.8.4.1")])
    tried = "UPDATE jobs SET not_before = :later, started_at = :at, outcome = :outcome WHERE address = '8.8.4.1'"
    for age, outcome, is_progress in ((60, "silent", False), (1, None, False), (1, "silent", True)):
        with ledger.writing() as connection:
            given = {"later": time.time() + 300, "at": time.time() - age, "outcome": outcome}
            connection.execute(text(tried), given)
        assert find(ledger)["domain"].finished is is_progress
    assert find(ledger)["geolocation"].finished is False


def test_a_job_that_was_tried_and_is_due_again_is_late(ledger: Database) -> None:
    """Once its pause is over it waits for a worker like all others, and is no sign of one. Break: `not_before` in `_was_tried`."""
    now = time.time()
    change(ledger, f"not_before = {now - 5}, started_at = {now - 10}, outcome = 'silent'", "domain")
    assert find(ledger)["domain"].finished is False


@pytest.mark.parametrize("state", ["pending", "sent"])
def test_levels_that_a_kind_does_not_have_are_found(ledger: Database, state: str) -> None:
    """Of each level that another version may have written, and of none that is ours. Break: the gaps in unknown_levels."""
    for kind in (BY_NAME["domain"], BY_NAME["geolocation"]):
        for level in range(12):
            change(ledger, f"level = {level}, state = '{state}'", kind.name)
            with ledger.reading() as connection:
                found = backlog.unknown_levels(connection, kind)
            assert found == ([] if level in kind.levels else [level])


def test_its_cost_does_not_grow_with_the_jobs(ledger: Database) -> None:
    """Every statement finds its rows by an index, whatever is in the table. Break: the order in `_first_waiting`."""
    seen: list[tuple[str, Any]] = []
    change(ledger, "waits_for = 'quota'", "geolocation")

    def remember(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        seen.append((statement, parameters))

    event.listen(ledger.engine, "before_cursor_execute", remember)
    with ledger.reading() as connection:
        backlog.find(connection, 30.0)
    event.remove(ledger.engine, "before_cursor_execute", remember)
    explain = "EXPLAIN QUERY PLAN " if ledger.is_sqlite else "EXPLAIN "
    with ledger.reading() as connection:
        if not ledger.is_sqlite:
            # A table of two rows is read whole, unless that is forbidden.
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        for statement, parameters in seen:
            if "FROM jobs" in statement:
                plan = "\n".join(str(tuple(row)) for row in connection.exec_driver_sql(explain + statement, parameters))
                assert "Seq Scan" not in plan, plan
                assert "SCAN jobs\n" not in f"{plan}\n", plan
                if "finished_at" not in statement:
                    assert "Sort" not in plan, plan
                    assert "TEMP B-TREE" not in plan, plan
