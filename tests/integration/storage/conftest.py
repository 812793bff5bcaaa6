"""What the tests of storage share."""

from collections.abc import Iterator

import pytest

from cobalt_tasks.db import clocks
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.schema import upgrade


@pytest.fixture
def partitioned(postgres_url: str) -> Iterator[Database]:
    """An empty ledger on PostgreSQL as the migrations make it: connections in parts, and a clock that is trusted."""
    database = Database(postgres_url)
    upgrade(database)
    with database.writing() as connection:
        clocks.record(connection)
    yield database
    database.dispose()
