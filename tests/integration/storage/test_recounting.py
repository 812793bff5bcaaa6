"""When the counts of everything are made anew."""

from collections.abc import Iterator

import pytest
from sqlalchemy import insert

from cobalt_tasks.db import counts, tables
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts import recounting
from cobalt_tasks.hosts.recounting import Recounting

SPENT = 6.0
"""Seconds that one count takes: 2 % of a core are a pause of 300 s, 10 % one of 60 s."""


class Watch:
    """Stands for time.monotonic, and for the counts: how often all was counted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Start at some time; nothing was counted."""
        self.now, self.rounds = 1000.0, 0
        self.counted_at: float | None = None
        monkeypatch.setattr(recounting.time, "monotonic", lambda: self.now)

    def steps(self, _database: Database) -> Iterator[None]:
        """Count all, in one step."""
        self.now += SPENT
        self.rounds += 1
        self.counted_at = self.now
        yield

    def rounds_after(self, counting: Recounting, database: Database, seconds: float) -> int:
        """How often all was counted, some seconds later."""
        self.now += seconds
        while counting.refresh(database):
            pass
        return self.rounds

    def age(self, _database: Database) -> float | None:
        """How long ago that was."""
        return None if self.counted_at is None else self.now - self.counted_at


def add_hosts(database: Database, first: int, number: int) -> None:
    """Store `number` hosts, and count them."""
    host = {"first_seen": 1.0, "last_seen": 1.0, "discovered": True}
    rows = [{**host, "address": f"8.1.{n // 250}.{n % 250}"} for n in range(first, first + number)]
    with database.writing() as connection, counts.adding(connection, tables.hosts):
        connection.execute(insert(tables.hosts), rows)


def test_a_ledger_that_grew_is_counted_sooner(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A count keeps to 2 % of a core, and to 10 % where the ledger is larger than the one that was counted.
    Break: leave _SHARE_WHEN_GROWN out, or compare with the size at the end of the count.
    """
    watch = Watch(monkeypatch)
    counting = Recounting(watch.steps, watch.age)

    add_hosts(database, 0, 100)
    assert watch.rounds_after(counting, database, 0) == 1
    assert watch.rounds_after(counting, database, 290) == 1, "nothing changed: not before 300 s"
    assert watch.rounds_after(counting, database, 20) == 2
    add_hosts(database, 100, 4)
    assert watch.rounds_after(counting, database, 200) == 2, "4 % more is as good as nothing"
    add_hosts(database, 104, 4)
    assert watch.rounds_after(counting, database, 0) == 3, "8 % more"
    add_hosts(database, 108, 100)
    assert watch.rounds_after(counting, database, 50) == 3, "10 % of a core: not before 60 s"
    assert watch.rounds_after(counting, database, 15) == 4


def test_what_another_process_counted_is_not_counted_again(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that starts leaves counts alone that are younger than half a minute, and one that counted before
    leaves them for as long as it would leave its own. Break: leave the age out of _is_due.
    """
    watch = Watch(monkeypatch)
    watch.counted_at = watch.now - 20
    assert not Recounting(watch.steps, watch.age).refresh(database)
    assert watch.rounds == 0
    watch.counted_at = watch.now + 5
    counting = Recounting(watch.steps, watch.age)
    assert watch.rounds_after(counting, database, 0) == 1, "a clock that was stepped back"
    watch.counted_at = watch.now + 290
    assert watch.rounds_after(counting, database, 580) == 1, "another process counted 290 s ago"
    assert watch.rounds_after(counting, database, 20) == 2
