"""Whole tables as streams of plain rows, for `cobalt export`: one state of the ledger, bounded memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select, text
from sqlalchemy.sql.selectable import Select

from cobalt_tasks.storage.engine import Database
from cobalt_tasks.storage.inventory import LOCATION
from cobalt_tasks.storage.models import (
    certificates,
    hostnames,
    hosts,
    jobs,
    locations,
    observations,
    ports,
    scores,
    sightings,
    sources,
)

Row = dict[str, Any]

_ROWS_AT_ONCE = 1000
_LONGEST_NAMES = 1000


class Stream(msgspec.Struct, frozen=True):
    """The rows of one table: `columns` in order, `times` those that are moments, `lists` those that hold a JSON list."""

    columns: tuple[str, ...]
    rows: Iterator[Row]
    times: frozenset[str]
    lists: frozenset[str]


@contextmanager
def stream(database: Database, table: str) -> Iterator[Stream]:
    """Open a stream of one of `TABLES`; its rows are fetched as they are asked for.

    Raises:
        DatabaseUnavailableError: the database does not answer, also in the midst of it.

    """
    with database.reading() as connection:
        if not database.is_sqlite:
            # A reader may pause for longer than our own rule allows an idle transaction.
            connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        chosen = TABLES[table](connection)
        columns = tuple(column.name for column in chosen.selected_columns)
        result = connection.execute(chosen, execution_options={"yield_per": _ROWS_AT_ONCE}).mappings()
        lists = _LISTS & set(columns)
        rows = (_plain(dict(row), lists) for row in result)
        yield Stream(columns, rows, _TIMES & set(columns), frozenset(lists))


def _plain(row: Row, lists: set[str]) -> Row:
    for name in lists:
        row[name] = msgspec.json.decode(row[name]) if row[name] else []
    return row


def _hosts(connection: Connection) -> Select[Any]:
    return (
        select(
            hosts.c.address,
            hosts.c.first_seen,
            hosts.c.last_seen,
            hosts.c.discovered,
            scores.c.score,
            *(locations.c[name] for name in LOCATION),
            locations.c.fetched_at.label("located_at"),
            _json_list(connection, ports, "port", "open_ports"),
            _json_list(connection, hostnames, "name", "names"),
        )
        .outerjoin(scores, scores.c.address == hosts.c.address)
        .outerjoin(locations, locations.c.address == hosts.c.address)
        .order_by(hosts.c.address)
    )


def _json_list(connection: Connection, table: Any, column: str, label: str) -> Any:
    """Return the different values of a column for one host, sorted, as the text of a JSON list."""
    values = (
        select(table.c[column])
        .distinct()
        .where(table.c.address == hosts.c.address)
        .order_by(table.c[column])
        .limit(_LONGEST_NAMES)
        .correlate(hosts)
        .subquery()
    )
    value = values.c[column]
    gathered = (
        func.json_group_array(value)
        if connection.dialect.name == "sqlite"
        else func.json_agg(value).cast(certificates.c.names.type)
    )
    return select(gathered).select_from(values).scalar_subquery().label(label)


def _ports(_connection: Connection) -> Select[Any]:
    names = ("address", "protocol", "port", "service", "product", "version", "banner", "first_seen", "last_seen")
    return select(*(ports.c[name] for name in names)).order_by(ports.c.address, ports.c.protocol, ports.c.port)


def _connections(_connection: Connection) -> Select[Any]:
    names = ("arrived_at", "observed_at", "src_ip", "src_port", "dst_ip", "dst_port", "protocol", "process")
    return (
        select(
            observations.c.id,
            sources.c.name.label("source"),
            *(observations.c[name] for name in names),
            *(locations.c[name].label(f"dst_{name}") for name in LOCATION),
            observations.c.identity,
            observations.c.details,
        )
        .outerjoin(sources, sources.c.id == observations.c.source_id)
        .outerjoin(locations, locations.c.address == observations.c.dst_ip)
        .order_by(observations.c.id)
    )


def _jobs(_connection: Connection) -> Select[Any]:
    return select(*(column for column in jobs.c if column.name not in {"claim", "lease_until"})).order_by(jobs.c.id)


def _certificates(_connection: Connection) -> Select[Any]:
    """One row for each port a certificate was seen on."""
    seen = ("address", "protocol", "port", "source", "first_seen", "last_seen")
    said = ("fingerprint", "subject", "issuer", "serial", "not_before", "not_after", "self_signed", "names")
    return (
        select(*(sightings.c[name] for name in seen), *(certificates.c[name] for name in said))
        .join(certificates, certificates.c.fingerprint == sightings.c.fingerprint)
        .order_by(sightings.c.address, sightings.c.protocol, sightings.c.port, sightings.c.fingerprint)
    )


def _hostnames(_connection: Connection) -> Select[Any]:
    return select(hostnames).order_by(hostnames.c.address, hostnames.c.name, hostnames.c.source)


TABLES: dict[str, Callable[[Connection], Select[Any]]] = {
    "hosts": _hosts,
    "ports": _ports,
    "connections": _connections,
    "jobs": _jobs,
    "certificates": _certificates,
    "hostnames": _hostnames,
}
"""Table → what is selected for it."""

_LISTS = {"open_ports", "names"}
_TIMES = frozenset(
    {
        "first_seen",
        "last_seen",
        "located_at",
        "arrived_at",
        "observed_at",
        "not_before",
        "not_after",
        "created_at",
        "sent_at",
        "started_at",
        "finished_at",
    },
)
