"""Counts of the map's cells that two processes make at a time."""

import itertools

import pytest
from sqlalchemy import insert, literal, select

from cobalt_tasks.db import tables
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts import map_cells
from cobalt_tasks.hosts.map_cells import Box, MapCells

HOSTS = 30


def shown(database: Database) -> int:
    """How many hosts the map has."""
    with database.reading() as connection:
        return map_cells.clusters(connection, Box(), 1).hosts


def stored(database: Database) -> int:
    """How many rows there are, of whichever round."""
    with database.reading() as connection:
        return len(connection.execute(select(tables.map_cells.c.round)).all())


@pytest.mark.parametrize("ahead", [2, 4, 5, 7])
def test_two_processes_that_count_at_a_time_show_a_whole_round(
    database: Database, monkeypatch: pytest.MonkeyPatch, ahead: int
) -> None:
    """Wherever the one is stopped while the other counts, what is shown has all hosts, and no row of another round stays.

    Break: move the cursor in map_cells._show whatever is stored, or delete rows of all rounds in _delete_some.
    """
    monkeypatch.setattr(map_cells, "COUNTED_AT_ONCE", -1)
    monkeypatch.setattr(map_cells, "_CELLS_AT_ONCE", 5)
    seconds = itertools.count(1_700_000_000)
    monkeypatch.setattr(map_cells, "database_now", lambda: literal(next(seconds)))
    rows = [
        {"address": f"8.0.0.{n}", "latitude": 2.0 * n, "longitude": 2.0 * n, "country_code": "DE", "fetched_at": 1.0}
        for n in range(HOSTS)
    ]
    with database.writing() as connection:
        connection.execute(insert(tables.locations), [{**row, "provider": "mmdb"} for row in rows])
    one, other = MapCells(), MapCells()
    for counting in (one, other):
        monkeypatch.setattr(counting, "_age", lambda _database: None)
    for _ in range(ahead):
        one.refresh(database, 0.0)
    for _ in range(4):
        other.refresh(database, 0.0)
    counting = [one, other]
    while counting:
        counting = [each for each in counting if each.refresh(database, 0.0)]
        assert shown(database) in {0, HOSTS}
    assert shown(database) == HOSTS
    assert stored(database) == HOSTS
