"""Statements that count the facets of everything."""

import pytest
from sqlalchemy.dialects import postgresql

from cobalt_tasks.hosts.search import facets_of_all
from cobalt_tasks.hosts.search.fields import FIELDS, Field, Searchable

COUNTED = [
    (target, field)
    for target in (Searchable.HOSTS, Searchable.PORTS)
    for field in FIELDS
    if field.facet and target in field.places
]


@pytest.mark.parametrize(("target", "field"), COUNTED, ids=lambda each: getattr(each, "name", str(each)))
def test_each_table_of_hosts_is_read_within_the_hosts_of_the_step(target: Searchable, field: Field) -> None:
    """A step bounds the addresses of all tables it joins: a planner that hashes one of them reads no more of it than that."""
    statement = facets_of_all._values(target, field, "10.0.0.1", "10.0.0.9").compile(dialect=postgresql.dialect())  # type: ignore[no-untyped-call]
    text = " ".join(str(statement).split())
    tables = {
        word.rstrip(",)")
        for word in text.split()
        if word.startswith(("locations_", "ports_", "sightings_", "findings_", "hosts_"))
    }
    named = {each.split(".")[0] for each in tables}
    assert named
    for table in named:
        assert f"{table}.address > " in text, text
        assert f"{table}.address <= " in text, text
