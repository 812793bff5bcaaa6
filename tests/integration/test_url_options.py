"""Options behind the ? of a database's URL that its library does not know."""

import pytest

from cobalt_tasks.core.errors import ConfigurationError, DatabaseRefusedError
from cobalt_tasks.db.engine import Database


def test_an_unknown_option_of_postgresql_is_one_line() -> None:
    """It was a traceback of the first command. Break: ProgrammingError in `_connect` in db/engine.py."""
    database = Database("postgresql+psycopg://u:SECRET@127.0.0.1:1/x?SECRET=1")
    with pytest.raises(ConfigurationError, match=r"^COBALT_DATABASE_URL: ") as raised, database.reading():
        pass
    assert "SECRET" not in str(raised.value)


def test_an_option_without_meaning_is_not_waited_for() -> None:
    """Its value is the reason, and waiting for the server would not help. Break: _REFUSED in db/availability.py."""
    database = Database("postgresql+psycopg://u:SECRET@127.0.0.1:1/x?sslmode=sometimes")
    with pytest.raises(DatabaseRefusedError, match=r"sslmode.*sometimes") as raised, database.reading():
        pass
    assert "SECRET" not in str(raised.value)
