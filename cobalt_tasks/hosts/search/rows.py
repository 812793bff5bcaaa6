"""What is searched, row by row: the tables behind each home of facts, their keys, and how they belong together."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import ColumnElement, FromClause, and_
from sqlalchemy.sql.elements import UnaryExpression
from sqlalchemy.sql.operators import custom_op

from cobalt_tasks.db.tables import (
    certificates,
    findings,
    hostnames,
    hosts,
    locations,
    observations,
    ports,
    scores,
    sightings,
)
from cobalt_tasks.db.tables.search import search_texts
from cobalt_tasks.hosts.search.fields import Home, Place, Searchable

Link = Mapping[str, str | int]
"""Column of a home → column of the searched row, or a number it must be."""

_PORT_KEY: Final = ("address", "protocol", "port")


HOMES: Final[Mapping[Home, Callable[[], FromClause]]] = {
    Home.HOST: hosts.alias,
    Home.PORT: ports.alias,
    Home.LOCATION: locations.alias,
    Home.NAME: hostnames.alias,
    Home.SCORE: scores.alias,
    Home.FINDING: findings.alias,
    Home.CERTIFICATE: sightings.alias,
    Home.CONNECTION: observations.alias,
    Home.TEXT: search_texts.alias,
}


def holder(place: Place) -> FromClause:
    """Return the table with the column of a place: certificates have a table of their own beside where they were seen."""
    row = HOMES[place.home]()
    return row if place.column in row.c else certificates.alias()


class Searched(Struct, frozen=True):
    """What a target's rows are: their home, and the columns they are ordered by, unique together, all up or all down.

    `carried`: columns that counts need, and that are read with those of the order.
    """

    home: Home
    order: tuple[str, ...]
    descending: bool
    key: tuple[str, ...]
    carried: tuple[str, ...] = ()


TARGETS: Final[Mapping[Searchable, Searched]] = {
    Searchable.HOSTS: Searched(Home.HOST, ("last_seen", "address"), descending=True, key=("address",)),
    Searchable.PORTS: Searched(
        Home.PORT, _PORT_KEY, descending=False, key=_PORT_KEY, carried=("service", "product", "version")
    ),
    Searchable.CONNECTIONS: Searched(Home.CONNECTION, ("id",), descending=True, key=("id",)),
    Searchable.CERTIFICATES: Searched(
        Home.CERTIFICATE, (*_PORT_KEY, "fingerprint", "source"), descending=False,
        key=(*_PORT_KEY, "fingerprint", "source"),
    ),
}  # fmt: skip

_FAR_PORT: Final[Link] = {"address": "dst_ip", "protocol": "protocol", "port": "dst_port"}
_SAME_PORT: Final[Link] = {name: name for name in _PORT_KEY}


def links(target: Searchable, home: Home, end: str) -> Sequence[Link]:
    """Return how rows of a home belong to a searched row; one of the links must hold.

    Args:
        target: what is searched.
        home: where the fact is kept, another home than the target's own.
        end: the end of a connection whose host is meant: "src", "dst", "either", or '' for the far one.

    """
    of_connection = target is Searchable.CONNECTIONS
    if end == "either":
        return [{"address": "dst_ip"}, {"address": "src_ip"}]
    host: Link = {"address": f"{end or 'dst'}_ip" if of_connection else "address"}
    port: Link = host if target is Searchable.HOSTS else _FAR_PORT if of_connection else _SAME_PORT
    if home is Home.TEXT and target is not Searchable.HOSTS:
        return [port, {**host, "port": 0}]
    return [port if home in {Home.PORT, Home.CERTIFICATE} else host]


def linked(row: FromClause, found: FromClause, link: Link, *, outer: bool = False) -> ColumnElement[bool]:
    """Return the condition that a row of a home belongs to a searched row.

    Args:
        row: the home.
        found: the searched rows.
        link: how they belong together.
        outer: on SQLite, let the home be looked up first, and the searched rows by it.

    """
    conditions: list[ColumnElement[bool]] = []
    for own, other in link.items():
        column: Any = row.c[own]
        if isinstance(other, int):
            conditions.append(column == other)
        elif not outer:
            conditions.append(found.c[other] == column)
        else:
            # The address is the key; without statistics the planner may think that of the port.
            key = found.c[other] if own == "address" else _without_index(found.c[other])
            conditions.append(key == _without_index(column))
    return and_(*conditions)


def _without_index(column: Any) -> ColumnElement[Any]:
    """Return a column as SQLite's planner does not look it up in an index."""
    return UnaryExpression(column, operator=custom_op("+"))
