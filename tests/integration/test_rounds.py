"""Periodic rounds: one at a time, with an end, and each recorded as ended well or failed."""

import threading
import time

import pytest
from sqlalchemy import text, update

from cobalt_tasks.core import settings as environment
from cobalt_tasks.core.errors import OutOfTimeError
from cobalt_tasks.core.timeouts import SWEEP_SECONDS
from cobalt_tasks.db import clocks, tables
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.schema import upgrade
from cobalt_tasks.jobs import rounds
from cobalt_tasks.jobs.reaper import upkeep
from tests.support.waiting import PATIENCE

ENDLESS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n",
    "postgresql": "SELECT pg_sleep(600)",
}


@pytest.fixture
def ledger(database_url: str) -> Database:
    """An empty ledger on each database."""
    opened = Database(database_url)
    upgrade(opened)
    return opened


def found(ledger: Database, name: str) -> rounds.Round:
    """What is recorded of a sort of round."""
    with ledger.reading() as connection:
        return rounds.find(connection)[name]


def fail() -> None:
    """What a round does that fails."""
    raise ValueError("no such thing:\n  see above")


def test_a_round_that_raises_did_not_end_well(ledger: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its reason stands in the ledger in one line until a round ends well. Break: rounds.fail in rounds.run."""
    monkeypatch.setattr("cobalt_tasks.jobs.rounds._PAUSE_SECONDS", 0.0)
    for failures in (1, 2):
        with pytest.raises(ValueError, match="no such thing"):
            rounds.run(ledger, "sweep", fail)
        seen = found(ledger, "sweep")
        assert (seen.ended, seen.failures, seen.reason) == (None, failures, "ValueError: no such thing: see above")
    assert rounds.run(ledger, "sweep", lambda: None)
    seen = found(ledger, "sweep")
    assert (seen.failures, seen.reason) == (0, None)
    assert seen.ended is not None


def test_a_statement_without_end_ends_with_its_round(ledger: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The round stops by itself, is recorded, and the next may use the same connection as long as it likes.

    Break: Database.deadline.
    """
    monkeypatch.setattr("cobalt_tasks.jobs.rounds.ROUND_SECONDS", 0.3)
    monkeypatch.setattr("cobalt_tasks.jobs.rounds._PAUSE_SECONDS", 0.0)

    def never_ends() -> None:
        with ledger.reading() as connection:
            connection.execute(text(ENDLESS[ledger.engine.dialect.name]))

    with pytest.raises(OutOfTimeError):
        rounds.run(ledger, "upkeep", never_ends)
    assert found(ledger, "upkeep").reason == "The database took longer than this may take."
    slow = (
        "SELECT pg_sleep(0.5)"
        if not ledger.is_sqlite
        else ENDLESS["sqlite"].replace("FROM n)", "FROM n WHERE i < 1000000)")
    )
    with ledger.reading() as connection:
        connection.execute(text(slow))


def test_one_round_at_a_time(ledger: Database) -> None:
    """While one is being done, on whatever machine, another does nothing; one that failed lets go. Break: locks.take."""
    inside, leave = threading.Event(), threading.Event()

    def stay() -> None:
        inside.set()
        assert leave.wait(30)

    thread = threading.Thread(target=rounds.run, args=(ledger, "sweep", stay))
    thread.start()
    assert inside.wait(30)
    # Longer than the pause between two rounds.
    time.sleep(rounds._PAUSE_SECONDS + 0.1)
    assert not rounds.run(ledger, "sweep", fail)
    leave.set()
    thread.join(PATIENCE)
    assert rounds.run(ledger, "sweep", lambda: None)


def test_no_part_of_the_upkeep_keeps_another_from_being_done(
    ledger: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that fails is the round's failure, and the others are done all the same. Break: the except in upkeep."""
    monkeypatch.setenv("COBALT_DATABASE_URL", database_url)
    done: list[str] = []
    with pytest.raises(ValueError, match="no such thing"):
        upkeep(ledger, environment.load(), fail, lambda: done.append("scores"))
    assert done == ["scores"]
    assert found(ledger, "upkeep").failures == 1


@pytest.mark.parametrize(("ahead", "done"), [(0, ["age", "scores"]), (86400, ["scores"])])
def test_what_goes_by_age_waits_for_a_clock_that_is_trusted(
    ledger: Database, database_url: str, monkeypatch: pytest.MonkeyPatch, ahead: int, done: list[str]
) -> None:
    """A day ahead, a probe that was refused just now would be tried again, and a note would end. Break: is_trusted in upkeep."""
    monkeypatch.setenv("COBALT_DATABASE_URL", database_url)
    ledger.write(clocks.record)
    with ledger.writing() as connection:
        connection.execute(update(tables.clocks).values(ahead=tables.clocks.c.ahead - ahead))
    seen: list[str] = []
    upkeep(ledger, environment.load(), lambda: seen.append("scores"), by_age=[lambda: seen.append("age")])
    assert seen == done


def test_a_round_of_before_the_clock_was_stepped_back_is_not_believed(ledger: Database) -> None:
    """An end that lies ahead is none. Break: rounds._age."""
    rounds.run(ledger, "sweep", lambda: None)
    with ledger.writing() as connection:
        connection.execute(text("UPDATE rounds SET ended_at = ended_at + 3600, started_at = started_at + 3600"))
    seen = found(ledger, "sweep")
    assert (seen.started, seen.ended) == (None, None)


def test_beat_never_comes_too_early_for_the_next_round() -> None:
    """The pause behind a round is over when the next message arrives: no round is left out. Break: `_PAUSE_SECONDS`."""
    assert rounds._PAUSE_SECONDS < SWEEP_SECONDS
