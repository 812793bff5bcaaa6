"""Connections on PostgreSQL are divided by days: parts are made ahead and dropped, and no row is lost or out of reach."""

import itertools
import time

import pytest
from sqlalchemy import func, select, text

from cobalt_tasks.core.durations import DAY
from cobalt_tasks.core.keep_limits import KeepLimit
from cobalt_tasks.db import connection_ids, counts, cursors, partitions, tables
from cobalt_tasks.db.connection_ids import IDS_A_DAY
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts.retention import Retention
from cobalt_tasks.threat import unscored
from tests.integration.storage.test_retention import EVERYTHING, connections, count, kept

TODAY = int(time.time() // DAY)


def on_day(monkeypatch: pytest.MonkeyPatch, database: Database, day: int, limit: KeepLimit | None = None) -> None:
    """Let the upkeep of parts find another day."""
    monkeypatch.setattr(partitions, "_today", lambda _connection: day)
    partitions.keep_up(database, limit)


def part_of_each(database: Database) -> list[str]:
    """Return the table that each connection is in, in the order of their ids."""
    with database.reading() as connection:
        return list(connection.execute(text("SELECT tableoid::regclass::text FROM observations ORDER BY id")).scalars())


def test_parts_are_made_ahead_and_ids_follow_the_days(partitioned: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each connection is in the part of the week it was stored in, also after a step of the clock; none is refused.

    Break: `_start_ids`, or a part that starts at today where one ends later.
    """
    connections(partitioned, 30, 1, 2)
    for day in (TODAY - 20, TODAY - 19, TODAY - 12, TODAY, TODAY - 15, TODAY):
        on_day(monkeypatch, partitioned, day)
        connections(partitioned, 0, 1, 3)
    found = part_of_each(partitioned)
    assert found[:2] == ["observations_old"] * 2
    with partitioned.reading() as connection:
        made = partitions.parts(connection)
    assert all(one.end <= other.first for one, other in itertools.pairwise(made))
    assert made[-1].end > TODAY + 3
    assert found[2:6] == [partitions.Part(TODAY - 20, TODAY - 13).name] * 4
    assert found[6:8] == [partitions.Part(TODAY - 12, TODAY - 5).name] * 2
    # The clock was set back in between: ids go on.
    assert found[8:] == [partitions.Part(TODAY, TODAY + 7).name] * 6
    assert count(partitioned, "observations") == 14


def test_parts_that_are_to_drop_are_dropped(partitioned: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole parts, once their last row is too old and read by scoring; the count follows, what is known stays known.

    Killed between two steps, the next round goes on. Break: `_count_off`, or `read` in _to_drop.
    """
    for day in (TODAY - 60, TODAY - 40, TODAY):
        on_day(monkeypatch, partitioned, day)
        connections(partitioned, TODAY - day, *range(10))
    assert count(partitioned, "observations") == 20
    connections(partitioned, 40, 11, 13)
    with partitioned.writing() as connection:
        counts.add(connection, tables.observations, 0)
    assert partitions.drop_old(partitioned, KeepLimit("30d"), read=0) == 0
    monkeypatch.setattr(partitions, "_COUNTED_AT_ONCE", 4)
    monkeypatch.setattr(partitions, "_SECONDS", 0.0)
    assert partitions.drop_old(partitioned, KeepLimit("30d"), read=EVERYTHING) == 2
    while partitions.drop_old(partitioned, KeepLimit("30d"), read=EVERYTHING) or _is_being_counted(partitioned):
        pass
    left = count(partitioned, "observations")
    assert left == 7
    with partitioned.reading() as connection:
        assert counts.table_size(connection, tables.observations) == left
    again = connections(partitioned, 0, *range(0, 10, 2), source_id=2)
    assert (again.accepted, again.duplicates) == (0, 5)


def _is_being_counted(database: Database) -> bool:
    with database.reading() as connection:
        gone = text("SELECT count(*) FROM pg_class WHERE relname LIKE 'observations_gone%' AND relkind = 'r'")
        return bool(connection.execute(gone).scalar_one())


def test_a_size_drops_the_oldest_parts(partitioned: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never the part that is written to. Break: `current` in _to_drop."""
    for day in range(TODAY - 6, TODAY + 1):
        on_day(monkeypatch, partitioned, day, KeepLimit("1d"))
        connections(partitioned, TODAY - day, *range(1, 200, 2))
    with partitioned.reading() as connection:
        size = sum(partitions._size(connection, part.name) for part in partitions.parts(connection))
    limit = KeepLimit("1MB")
    limit.size = size // 2
    assert 2 <= partitions.drop_old(partitioned, limit, EVERYTHING) <= 5
    limit.size = 1
    partitions.drop_old(partitioned, limit, EVERYTHING)
    assert count(partitioned, "observations") == 100


def test_a_table_that_is_in_use_is_left_for_the_next_round(
    partitioned: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader does not stop the upkeep, and the upkeep does not wait behind it for long."""
    on_day(monkeypatch, partitioned, TODAY - 60)
    connections(partitioned, 60, 1, 3)
    on_day(monkeypatch, partitioned, TODAY)
    with partitioned.reading() as reader:
        reader.execute(select(func.count()).select_from(tables.observations)).scalar_one()
        assert partitions.drop_old(partitioned, KeepLimit("30d"), EVERYTHING) == 0
    assert partitions.drop_old(partitioned, KeepLimit("30d"), EVERYTHING) == 1


def test_ids_are_counted_over_days(partitioned: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest connections and the lag of scoring are those across the change of days. Break: `back`, `distance`."""
    with partitioned.reading() as connection:
        assert connection_ids.back(connection, None, 5) == 0
    connections(partitioned, 20, *range(1, 20, 2))
    on_day(monkeypatch, partitioned, TODAY - 10)
    connections(partitioned, 10, *range(1, 10, 2))
    on_day(monkeypatch, partitioned, TODAY)
    connections(partitioned, 0, 1, 3, 5)
    with partitioned.reading() as connection:
        ids = list(connection.execute(select(tables.observations.c.id).order_by(tables.observations.c.id)).scalars())
        assert max(ids) > TODAY * IDS_A_DAY - 7 * IDS_A_DAY
        newest = tables.observations.c.id > connection_ids.back(connection, ids[-1], 6)
        assert 5 <= connection.execute(select(func.count()).where(newest)).scalar_one() <= 8
        assert 18 <= connection_ids.distance(connection, 0, ids[-1]) <= 22
        assert 3 <= connection_ids.distance(connection, ids[-4], ids[-1]) <= 5
        assert connection_ids.distance(connection, ids[-1], ids[-1]) == 0
        cursors.position(connection, unscored.OBSERVED)
        assert 18 <= unscored.lag(connection).observations <= 22


def test_the_upkeep_does_all_of_it(partitioned: Database) -> None:
    """With the defaults parts are made and nothing is dropped."""
    connections(partitioned, 400, 1, 3)
    Retention.run(kept(partitioned), partitioned)
    connections(partitioned, 0, 1, 3)
    assert part_of_each(partitioned)[2:] == [partitions.Part(TODAY, TODAY + 7).name] * 2
