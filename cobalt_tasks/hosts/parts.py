"""What is known about one host, in lists that are read page by page: a host may have 65,535 ports and as many banners."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Table, func, select
from sqlalchemy.sql.selectable import Select

from cobalt_tasks.db.tables import (
    banners,
    certificates,
    findings,
    hardware_addresses,
    hostnames,
    jobs,
    ports,
    sightings,
)
from cobalt_tasks.hosts import notes
from cobalt_tasks.threat.findings import Finding
from cobalt_tasks.threat.rules import score

Row = dict[str, Any]

MOST_ROWS: Final = 500
_MOST_NAMES: Final = 50
_MOST_FINDINGS: Final = 500


class Page(Struct, frozen=True, kw_only=True):
    """Which rows of a list: up to `limit` after `offset` others, each text cut after `text` characters (None: whole)."""

    limit: int = MOST_ROWS
    offset: int = 0
    text: int | None = None


WHOLE: Final = Page()

_BANNER = ("protocol", "port", "source", "service", "product", "version", "text", "first_seen", "last_seen")
_PORT = (
    *(
        "protocol",
        "port",
        "unconfirmed_since",
        "closed_since",
        "service",
        "product",
        "version",
        "banner",
        "details",
        "seen_in_traffic",
        "first_seen",
        "last_seen",
    ),
)
_JOB = (
    "id",
    "kind",
    "protocol",
    "port",
    "level",
    "state",
    "attempts",
    "created_at",
    "finished_at",
    "outcome",
    "detail",
)
_HARDWARE = ("mac", "vendor", "source", "first_seen", "last_seen")
_NAME = ("name", "source", "confirmed", "first_seen", "last_seen")


def part(connection: Connection, address: str, name: str, page: Page = WHOLE) -> list[Row]:
    """Return rows of one list of a host, the latest or weightiest first.

    A row some of whose texts or names were cut has `cut`: the names of those columns.

    Args:
        connection: a connection to the ledger.
        address: the host, canonical.
        name: one of PARTS.
        page: which rows.

    """
    return [_cut(row, page.text) for row in PARTS[name](connection, address, page)]


def totals(connection: Connection, address: str) -> dict[str, int]:
    """Return how many rows each list of the host `address` has."""
    counts = {
        name: select(func.count()).select_from(table).where(table.c.address == address).scalar_subquery().label(name)
        for name, table in _TABLES.items()
    }
    return dict(connection.execute(select(*counts.values())).mappings().one())


def _cut(row: Row, longest: int | None) -> Row:
    if longest is None:
        return row
    # SQLAlchemy's names are texts of a class of their own.
    cut = [str(name) for name, value in row.items() if isinstance(value, str) and len(value) > longest]
    shown = {**row, **{name: row[name][:longest] for name in cut}}
    if len(row.get("names", ())) > _MOST_NAMES:
        shown |= {"names": row["names"][:_MOST_NAMES]}
        cut.append("names")
    return {**shown, "cut": cut} if cut else shown


def _rows(connection: Connection, chosen: Select[Any], page: Page) -> list[Row]:
    return [dict(row) for row in connection.execute(chosen.limit(page.limit).offset(page.offset)).mappings()]


def _findings(connection: Connection, address: str, page: Page) -> list[Row]:
    """Return the findings of a host; `counted` is what a row adds to the score, the sum of all is the score."""
    weight = findings.c.points.desc()
    rank = func.row_number().over(partition_by=findings.c.rule, order_by=(weight, findings.c.subject))
    chosen = (
        select(*findings.c)
        .where(findings.c.address == address)
        # The best of each rule comes first, so that what counts is never cut off.
        .order_by(rank, weight, findings.c.rule, findings.c.subject)
        .limit(_MOST_FINDINGS)
    )
    rows = connection.execute(chosen).mappings().all()
    known = notes.of_findings(connection, [address])
    accepted = [notes.accepting(known, address, row["rule"], row["subject"]) for row in rows]
    scored = [row for row, note in zip(rows, accepted, strict=True) if note is None]
    counted = _counted([Finding(**{name: row[name] for name in Finding.__struct_fields__}) for row in scored])
    found = [
        {**row, "counted": 0.0 if note else next(counted), "accepted": notes.brief(note)}
        for row, note in zip(rows, accepted, strict=True)
    ]
    found.sort(key=lambda row: (-row["counted"], -row["points"], row["rule"], row["subject"]))
    return found[page.offset : page.offset + page.limit]


def _counted(found: Sequence[Finding]) -> Iterator[float]:
    """Yield what each adds to the score of those before it: a rule counts once, and a score ends at 1."""
    whole, before = score(found), 0.0
    for end in range(1, len(found) + 1):
        after = score(found[:end]) if before < whole else whole
        yield round(after - before, 4)
        before = after


def _latest_of(table: Table, names: Sequence[str]) -> Callable[[Connection, str, Page], list[Row]]:
    def read(connection: Connection, address: str, page: Page) -> list[Row]:
        chosen = select(*_columns(table, names)).where(table.c.address == address)
        ordered = chosen.order_by(table.c.last_seen.desc(), *_columns(table, names[:3]))
        return _rows(connection, ordered, page)

    return read


def _ports(connection: Connection, address: str, page: Page) -> list[Row]:
    chosen = select(*_columns(ports, _PORT)).where(ports.c.address == address)
    return _rows(connection, chosen.order_by(ports.c.port, ports.c.protocol), page)


def _certificates(connection: Connection, address: str, page: Page) -> list[Row]:
    seen = _columns(sightings, ("protocol", "port", "source", "first_seen", "last_seen", "details"))
    said = [certificates.c[column.name] for column in certificates.c if column.name != "der"]
    chosen = (
        select(*said, *seen)
        .join(sightings, sightings.c.fingerprint == certificates.c.fingerprint)
        .where(sightings.c.address == address)
        .order_by(sightings.c.last_seen.desc(), sightings.c.port, sightings.c.fingerprint, sightings.c.source)
    )
    return [{**row, "names": msgspec.json.decode(row["names"])} for row in _rows(connection, chosen, page)]


def _jobs(connection: Connection, address: str, page: Page) -> list[Row]:
    chosen = select(*_columns(jobs, _JOB)).where(jobs.c.address == address)
    return _rows(connection, chosen.order_by(jobs.c.id.desc()), page)


def _columns(table: Table, names: Sequence[str]) -> list[ColumnElement[Any]]:
    return [table.c[name] for name in names]


PARTS: Final[Mapping[str, Callable[[Connection, str, Page], list[Row]]]] = {
    "evidence": _findings,
    "hostnames": _latest_of(hostnames, _NAME),
    "hardware_addresses": _latest_of(hardware_addresses, _HARDWARE),
    "ports": _ports,
    "banners": _latest_of(banners, _BANNER),
    "certificates": _certificates,
    "jobs": _jobs,
}
"""The lists of a host, by name."""

_TABLES: Final = {
    "evidence": findings,
    "hostnames": hostnames,
    "hardware_addresses": hardware_addresses,
    "ports": ports,
    "banners": banners,
    "certificates": sightings,
    "jobs": jobs,
}
