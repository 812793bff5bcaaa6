"""Processes that do not stay up are found, and nothing else."""

import pytest
from sqlalchemy import text

from cobalt_tasks.db.engine import Database
from cobalt_tasks.jobs import starts


@pytest.fixture
def ledger(database: Database) -> Database:
    """An empty ledger on each database."""
    return database


def loops(ledger: Database) -> list[tuple[str, int, str | None]]:
    """The loops as tuples."""
    with ledger.reading() as connection:
        return [(loop.name, loop.restarts, loop.reason) for loop in starts.loops(connection)]


def age(ledger: Database, seconds: float) -> None:
    """Let time pass for what is remembered."""
    with ledger.writing() as connection:
        connection.execute(text("UPDATE starts SET at = at - :seconds"), {"seconds": seconds})


def test_three_restarts_in_five_minutes_are_a_loop(ledger: Database) -> None:
    """Starts of a worker whose ends were not seen; bad ends that its supervisor saw. Break: `_LOOP`."""
    for name, reason, times in (
        ("a@host", None, 3),
        ("b@host", None, 4),
        ("c", "ended with 1: x", 2),
        ("d", "boom", 3),
    ):
        for _ in range(times):
            ledger.write(starts.add, name, reason)
    assert loops(ledger) == [("b@host", 3, None), ("d", 3, "boom")]


def test_a_worker_that_ends_as_it_should_is_in_no_loop(ledger: Database) -> None:
    """However often it is stopped and started. Break: starts.forget."""
    for _ in range(6):
        ledger.write(starts.add, "a@host", None)
        ledger.write(starts.forget, "a@host")
    assert loops(ledger) == []


def test_what_stays_up_is_in_no_loop_any_more(ledger: Database) -> None:
    """After a minute and a half without a restart, and after the clock was stepped. Break: `_OVER_SECONDS`."""
    for _ in range(3):
        ledger.write(starts.add, "d", "boom")
    age(ledger, 100)
    assert loops(ledger) == []
    age(ledger, -7200)
    assert loops(ledger) == []


def test_a_worker_and_its_supervisor_are_one_loop(ledger: Database) -> None:
    """Under `cobalt up` the one that knows the reason is shown."""
    for _ in range(4):
        ledger.write(starts.add, "network@host", None)
        ledger.write(starts.add, "network", "ended with 1: x")
    assert loops(ledger) == [("network", 4, "ended with 1: x")]


def test_what_is_remembered_is_bounded(ledger: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """By age and by number. Break: the delete, or `_MOST_ROWS`, in starts.add."""
    monkeypatch.setattr(starts, "_MOST_ROWS", 5)
    for _ in range(9):
        ledger.write(starts.add, "d", "boom")
    assert rows(ledger) == 5
    age(ledger, 1000)
    ledger.write(starts.add, "d", "boom")
    assert rows(ledger) == 1


def rows(ledger: Database) -> int:
    """How much is remembered."""
    with ledger.reading() as connection:
        return int(connection.execute(text("SELECT count(*) FROM starts")).scalar_one())


def test_starts_from_the_future_are_forgotten(ledger: Database) -> None:
    """What was written before the clock was stepped back goes with the next start. Break: the second condition in starts.add."""
    ledger.write(starts.add, "d", "boom")
    age(ledger, -7200)
    ledger.write(starts.add, "e", "boom")
    with ledger.reading() as connection:
        assert connection.execute(text("SELECT name FROM starts")).scalars().all() == ["e"]
