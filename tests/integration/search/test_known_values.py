"""Values of fields that know all of theirs."""

import pytest
from sqlalchemy import update

from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import observations
from cobalt_tasks.hosts.search import find
from cobalt_tasks.hosts.search.fields import Searchable
from cobalt_tasks.hosts.search.language import SearchError
from cobalt_tasks.views import search as views
from tests.support.evidence import see


def test_a_protocol_that_was_seen_is_known(database: Database) -> None:
    """A name that a sensor invented is refused until a connection has it."""
    with pytest.raises(SearchError, match="'quux' is no transport protocol"):
        find.read(database, "protocol:quux", Searchable.HOSTS)
    see(database, ("192.0.2.2", "9.9.9.9", 22))
    database.write(lambda c: c.execute(update(observations).values(protocol="quux")))
    search = find.read(database, "protocol:QUUX", Searchable.CONNECTIONS)
    assert [row["dst_ip"] for row in views.page(database, search, 10)["items"]] == ["9.9.9.9"]
