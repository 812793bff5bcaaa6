"""Whole tables as streams of plain rows, for `cobalt export`: page by page, with bounded memory."""

import base64
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import Column, ColumnElement, func, literal, select, tuple_
from sqlalchemy.sql.selectable import Select

from cobalt_tasks.core import x509
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import (
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
from cobalt_tasks.hosts.queries import LOCATION
from cobalt_tasks.hosts.search import find
from cobalt_tasks.hosts.search.find import Search
from cobalt_tasks.hosts.search.rows import TARGETS

Row = dict[str, Any]
Key = Sequence[Column[Any]]

_ROWS_AT_ONCE = 500
_LONGEST_NAMES = 1000


class TableRows(msgspec.Struct, frozen=True):
    """The rows of one table: `columns` in order, `times` those that are moments, `lists` those that hold a JSON list."""

    columns: tuple[str, ...]
    rows: Iterator[Row]
    times: frozenset[str]
    lists: frozenset[str]


def stream(database: Database, table: str, search: Search | None = None) -> TableRows:
    """Return a stream of one of `TABLES`, in the order of its key. A page of rows is read when it is asked for.

    Args:
        database: the ledger.
        table: one of `TABLES`.
        search: only the rows that match, in the order of the search; its target is the table. None: all rows.

    Each page has a transaction of its own: a reader that pauses holds nothing open. Rows that come or change meanwhile
    may or may not be in it; none is in it twice, and none that stays is left out.

    Raises:
        DatabaseUnavailableError: while it is read: the database does not answer.

    """
    select_rows, key = TABLES[table]
    dialect = database.engine.dialect.name
    columns = tuple(column.name for column in select_rows(dialect).selected_columns)
    lists = _LISTS & set(columns)
    chosen = select_rows(dialect)
    found = _paged(database, chosen, key) if search is None else _matching(database, chosen, key, search)
    rows = (_plain(row, lists) for row in found)
    return TableRows(columns, rows, _TIMES & set(columns), frozenset(lists))


def _paged(database: Database, chosen: Select[Any], key: Key) -> Iterator[Row]:
    """Yield rows in the order of their key, which is not among the columns everywhere and is read beside them."""
    marks = [f"key_{number}" for number in range(len(key))]
    chosen = chosen.add_columns(*(column.label(mark) for column, mark in zip(key, marks, strict=True)))
    chosen = chosen.order_by(*key).limit(_ROWS_AT_ONCE)
    last: list[Any] | None = None
    while True:
        page = chosen if last is None else chosen.where(_is_behind(key, last))
        with database.reading() as connection:
            rows = [dict(row) for row in connection.execute(page).mappings()]
        for row in rows:
            last = [row.pop(mark) for mark in marks]
            yield row
        if len(rows) < _ROWS_AT_ONCE:
            return


def _matching(database: Database, chosen: Select[Any], key: Key, search: Search) -> Iterator[Row]:
    """Yield the rows that match, in the order of the search."""
    order = TARGETS[search.target].order
    places = [order.index(column.name) for column in key]
    labelled = chosen.add_columns(*(column.label(f"key_{number}") for number, column in enumerate(key)))
    for keys in find.all_keys(database, search):
        for start in range(0, len(keys), _ROWS_AT_ONCE):
            some = [tuple(each[place] for place in places) for each in keys[start : start + _ROWS_AT_ONCE]]
            with database.reading() as connection:
                rows = [dict(row) for row in connection.execute(labelled.where(_is_one_of(key, some))).mappings()]
            by_key = {tuple(row.pop(f"key_{number}") for number in range(len(key))): row for row in rows}
            yield from (by_key[each] for each in some if each in by_key)


def _is_one_of(key: Key, keys: Sequence[tuple[Any, ...]]) -> ColumnElement[bool]:
    return key[0].in_([each[0] for each in keys]) if len(key) == 1 else tuple_(*key).in_(keys)


def _is_behind(key: Key, last: Sequence[Any]) -> ColumnElement[bool]:
    return tuple_(*key) > tuple_(*(literal(value, column.type) for column, value in zip(key, last, strict=True)))


def _plain(row: Row, lists: set[str]) -> Row:
    for name in _BYTES.keys() & row.keys():
        row[name] = _BYTES[name](row[name] or b"")
    for name in lists:
        row[name] = msgspec.json.decode(row[name]) if row[name] else []
    return row


def _hosts(dialect: str) -> Select[Any]:
    return (
        select(
            hosts.c.address,
            hosts.c.first_seen,
            hosts.c.last_seen,
            hosts.c.discovered,
            scores.c.score,
            *(locations.c[name] for name in LOCATION),
            locations.c.fetched_at.label("located_at"),
            _json_list(dialect, ports, "port", "open_ports"),
            _json_list(dialect, hostnames, "name", "names"),
        )
        .outerjoin(scores, scores.c.address == hosts.c.address)
        .outerjoin(locations, locations.c.address == hosts.c.address)
    )


def _json_list(dialect: str, table: Any, column: str, label: str) -> Any:
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
        func.json_group_array(value) if dialect == "sqlite" else func.json_agg(value).cast(certificates.c.names.type)
    )
    return select(gathered).select_from(values).scalar_subquery().label(label)


def _ports(_dialect: str) -> Select[Any]:
    names = ("address", "protocol", "port", "service", "product", "version", "banner", "details")
    times = ("seen_in_traffic", "first_seen", "last_seen", "unconfirmed_since", "closed_since")
    return select(*(ports.c[name] for name in (*names, *times)))


def _connections(_dialect: str) -> Select[Any]:
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
    )


def _jobs(_dialect: str) -> Select[Any]:
    return select(*(column for column in jobs.c if column.name not in {"claim", "lease", "renewals"}))


def _certificates(_dialect: str) -> Select[Any]:
    """One row for each port a certificate was seen on."""
    seen = ("address", "protocol", "port", "source", "first_seen", "last_seen")
    known = ("fingerprint", "subject", "issuer", "serial", "not_before", "not_after", "self_signed", "names")
    strength = ("key_type", "key_size", "signature")
    return select(
        *(sightings.c[name] for name in seen),
        *(certificates.c[name] for name in (*known, *strength)),
        sightings.c.details,
        certificates.c.der,
        certificates.c.der.label("pem"),
    ).join(certificates, certificates.c.fingerprint == sightings.c.fingerprint)


def _hostnames(_dialect: str) -> Select[Any]:
    return select(hostnames)


TABLES: dict[str, tuple[Callable[[str], Select[Any]], Key]] = {
    "hosts": (_hosts, [hosts.c.address]),
    "ports": (_ports, list(ports.primary_key)),
    "connections": (_connections, [observations.c.id]),
    "jobs": (_jobs, [jobs.c.id]),
    "certificates": (_certificates, list(sightings.primary_key)),
    "hostnames": (_hostnames, list(hostnames.primary_key)),
}
"""Table → what is selected for it in a dialect, and the key its pages go by."""

_BYTES: dict[str, Callable[[bytes], str]] = {
    "der": lambda der: base64.b64encode(der).decode("ascii"),
    "pem": x509.pem,
}
"""Columns of bytes, and how they are written: DER in base64, and PEM."""

_LISTS = {"open_ports", "names"}
_TIMES = frozenset(
    {
        "first_seen",
        "last_seen",
        "unconfirmed_since",
        "closed_since",
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
