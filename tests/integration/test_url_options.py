"""Options behind the ? of a URL that the server's library does not know."""

import pytest

from cobalt_tasks.core import settings
from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.db.engine import Database
from cobalt_tasks.jobs.broker import Broker


@pytest.mark.parametrize("query", ["ssl_cert_reqs=SECRET", "SECRET=1", "socket_timeout=SECRET"])
def test_an_unknown_option_of_redis_is_one_line(query: str) -> None:
    """It was a traceback of the first command. Break: the connection that `_client` in broker.py makes."""
    found = settings.load({"COBALT_BROKER_URL": f"redis://:SECRET@127.0.0.1:1/0?{query}"})
    with pytest.raises(ConfigurationError, match=r"^COBALT_BROKER_URL: ") as raised:
        Broker(found)
    assert "SECRET" not in str(raised.value)


def test_an_unknown_option_of_postgresql_is_one_line() -> None:
    """The same for the database. Break: ProgrammingError in `_connect` in db/engine.py."""
    database = Database("postgresql+psycopg://u:SECRET@127.0.0.1:1/x?SECRET=1")
    with pytest.raises(ConfigurationError, match=r"^COBALT_DATABASE_URL: ") as raised, database.reading():
        pass
    assert "SECRET" not in str(raised.value)
