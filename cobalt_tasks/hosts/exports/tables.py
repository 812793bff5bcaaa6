"""What can be exported: for each table its columns, its key, and which rows a query for it is asked of."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Column as TableColumn
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.sql.selectable import Select
from sqlalchemy.types import BigInteger, Boolean, Double, Integer, SmallInteger, Text, TypeEngine

from cobalt_tasks.db.tables import (
    certificates,
    changes,
    findings,
    hostnames,
    hosts,
    jobs,
    locations,
    observations,
    ports,
    rejects,
    scores,
    sightings,
    sources,
)
from cobalt_tasks.hosts import source_lists
from cobalt_tasks.hosts.certificates import is_in_use
from cobalt_tasks.hosts.exports.columns import ColumnKind, ExportColumn
from cobalt_tasks.hosts.queries import LOCATION
from cobalt_tasks.hosts.search.fields import Searchable

_MOST_LISTED: Final = 1000
"""Ports and names of one host that its row lists."""


class ExportTable(Struct, frozen=True, kw_only=True):
    """A table of exports.

    Attributes:
        select_rows: in a dialect.
        key: what its pages go by.
        asked_of: the rows that a query is asked of; None: it cannot be searched.
        is_of_changes: a query is asked of the port that changed, or else of the host.

    """

    select_rows: Callable[[str], Select[Any]]
    key: Sequence[TableColumn[Any]]
    asked_of: Searchable | None = None
    is_of_changes: bool = False

    def columns(self, dialect: str) -> list[ExportColumn]:
        """Return the columns of the rows in a dialect."""
        return [ExportColumn(str(column.name), _kind(column)) for column in self.select_rows(dialect).selected_columns]


def _kind(column: ColumnElement[Any]) -> ColumnKind:
    name = str(getattr(column, "name", ""))
    if name in _SPECIAL:
        return _SPECIAL[name]
    if name in _TIMES:
        return ColumnKind.TIME
    return next(kind for sort, kind in _KINDS if isinstance(column.type, sort))


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
            _json_list(dialect, ports, "port", "open_ports", ports.c.closed_since.is_(None)),
            _json_list(dialect, hostnames, "name", "names"),
        )
        .outerjoin(scores, scores.c.address == hosts.c.address)
        .outerjoin(locations, locations.c.address == hosts.c.address)
    )


def _json_list(dialect: str, table: Any, column: str, label: str, *only: ColumnElement[bool]) -> Any:
    """Return the different values of a column for one host, sorted, as the text of a JSON list."""
    values = (
        select(table.c[column])
        .distinct()
        .where(table.c.address == hosts.c.address, *only)
        .order_by(table.c[column])
        .limit(_MOST_LISTED)
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
        is_in_use(sightings, certificates).label("in_use"),
        sightings.c.details,
        certificates.c.der,
        certificates.c.der.label("pem"),
    ).join(certificates, certificates.c.fingerprint == sightings.c.fingerprint)


def _hostnames(_dialect: str) -> Select[Any]:
    return select(hostnames)


def _findings(_dialect: str) -> Select[Any]:
    """One row for each rule that matched on a host, with the host's score and country."""
    return (
        select(findings, scores.c.score, locations.c.country_code)
        .outerjoin(scores, scores.c.address == findings.c.address)
        .outerjoin(locations, locations.c.address == findings.c.address)
    )


def _changes(_dialect: str) -> Select[Any]:
    names = ("id", "kind", "recorded_at", "observed_at", "address", "protocol", "port", "old", "new")
    return select(*(changes.c[name] for name in names), sources.c.name.label("source"), changes.c.details).outerjoin(
        sources, sources.c.id == changes.c.source_id
    )


def _sources(_dialect: str) -> Select[Any]:
    counters = ("read", "accepted", "duplicates", "rejected", "ignored")
    names = ("id", "name", "generation", "format", *counters, "created_at", "updated_at")
    return select(*(sources.c[name] for name in names))


def _rejects(_dialect: str) -> Select[Any]:
    return source_lists.refused()


TABLES: Final[Mapping[str, ExportTable]] = {
    "hosts": ExportTable(select_rows=_hosts, key=[hosts.c.address], asked_of=Searchable.HOSTS),
    "ports": ExportTable(select_rows=_ports, key=list(ports.primary_key), asked_of=Searchable.PORTS),
    "connections": ExportTable(
        select_rows=_connections, key=[observations.c.id], asked_of=Searchable.CONNECTIONS
    ),
    "jobs": ExportTable(select_rows=_jobs, key=[jobs.c.id]),
    "certificates": ExportTable(
        select_rows=_certificates, key=list(sightings.primary_key), asked_of=Searchable.CERTIFICATES
    ),
    "hostnames": ExportTable(select_rows=_hostnames, key=list(hostnames.primary_key), asked_of=Searchable.HOSTS),
    "changes": ExportTable(select_rows=_changes, key=[changes.c.id], is_of_changes=True),
    "findings": ExportTable(select_rows=_findings, key=list(findings.primary_key), asked_of=Searchable.HOSTS),
    "sources": ExportTable(select_rows=_sources, key=[sources.c.id]),
    "rejects": ExportTable(select_rows=_rejects, key=[rejects.c.id]),
}  # fmt: skip
"""Name → what is exported."""

LARGE: Final = frozenset({"banner", "details", "der", "identity", "names", "open_ports", "old", "new", "detail"})
"""Columns whose values may be long."""

_SPECIAL: Final = {
    "open_ports": ColumnKind.INTEGERS,
    "names": ColumnKind.TEXTS,
    "der": ColumnKind.DER,
    "pem": ColumnKind.PEM,
}
_TIMES: Final = frozenset(
    {
        "first_seen",
        "last_seen",
        "unconfirmed_since",
        "closed_since",
        "gone_since",
        "located_at",
        "arrived_at",
        "observed_at",
        "recorded_at",
        "not_before",
        "not_after",
        "created_at",
        "updated_at",
        "sent_at",
        "started_at",
        "finished_at",
    },
)
_KINDS: Final[Sequence[tuple[type[TypeEngine[Any]], ColumnKind]]] = (
    (Boolean, ColumnKind.FLAG),
    (Double, ColumnKind.NUMBER),
    (BigInteger, ColumnKind.INTEGER),
    (SmallInteger, ColumnKind.INTEGER),
    (Integer, ColumnKind.INTEGER),
    (Text, ColumnKind.TEXT),
)
