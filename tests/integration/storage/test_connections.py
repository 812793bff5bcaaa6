"""Connections of a process to its ledger end with it, whoever holds them."""

from cobalt_tasks.db.engine import Database


def test_a_connection_that_comes_back_late_is_closed(database: Database) -> None:
    """A thread may still ask when its database is disposed of: what it gives back then belongs to no pool any more.

    Break: `_Pools.close_late` in db/engine.py.
    """
    with database.reading() as held:
        late = held.connection.driver_connection
        database.dispose()
        with database.reading() as another:
            fresh = another.connection.driver_connection
    assert is_closed(late)
    assert not is_closed(fresh)
    database.dispose()
    assert is_closed(fresh)


def is_closed(connection: object) -> bool:
    """Return whether a driver's connection is closed."""
    try:
        connection.execute("SELECT 1")
    except Exception as error:  # noqa: BLE001  # each driver has its own
        return "closed" in str(error)
    return False
