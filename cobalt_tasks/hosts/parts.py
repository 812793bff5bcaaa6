"""What is known about one host, in lists that are read page by page: a host may have 65,535 ports and as many banners."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Table, and_, func, literal, or_, select, tuple_
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
from cobalt_tasks.hosts.search.find import Key, row_of
from cobalt_tasks.threat.findings import Finding
from cobalt_tasks.threat.rules import score

Row = dict[str, Any]

MOST_ROWS: Final = 500
_MOST_NAMES: Final = 50
_MOST_FINDINGS: Final = 500


class Page(Struct, frozen=True, kw_only=True):
    """Which rows of a list: up to `limit` behind the one with the key `after` (None: from the first).

    `text`: characters after which a text is cut; None: they are whole.
    """

    limit: int = MOST_ROWS
    after: Key | None = None
    text: int | None = None


class Rows(Struct, frozen=True, kw_only=True):
    """Rows of a list, and their keys: the values that they are ordered by."""

    rows: Sequence[Row]
    keys: Sequence[Key]


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
_FINDING_KEY = ("counted", "points", "rule", "subject")
_SIGHTING_KEY = ("last_seen", "port", "protocol", "fingerprint", "source")


def part(connection: Connection, address: str, name: str, page: Page = WHOLE) -> Rows:
    """Return rows of one list of a host, the latest or weightiest first.

    A row some of whose texts or names were cut has `cut`: the names of those columns.

    Args:
        connection: a connection to the ledger.
        address: the host, canonical.
        name: one of PARTS.
        page: which rows.

    """
    found = PARTS[name].read(connection, address, page)
    return Rows(rows=[_cut(row, page.text) for row in found.rows], keys=found.keys)


def totals(connection: Connection, address: str) -> dict[str, int]:
    """Return how many rows each list of the host `address` has."""
    counts = {
        name: select(func.count()).where(each.table.c.address == address).scalar_subquery().label(name)
        for name, each in PARTS.items()
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


def _rows(connection: Connection, chosen: Select[Any], key: Sequence[ColumnElement[Any]], page: Page) -> Rows:
    """Return a page of the rows `chosen`, by `key`: falling by its first column, but for ports, then rising."""
    first, *rest = key
    falls = first.name != "port"
    if page.after is not None:
        chosen = chosen.where(_is_behind(first, rest, page.after) if falls else tuple_(*key) > row_of(key, page.after))
    ordered = chosen.add_columns(*key).order_by(first.desc() if falls else first, *rest).limit(page.limit)
    names, found = list(chosen.selected_columns.keys()), connection.execute(ordered).all()
    return Rows(
        rows=[dict(zip(names, row[: len(names)], strict=True)) for row in found],
        keys=[tuple(row[len(names) :]) for row in found],
    )


def _is_behind(first: ColumnElement[Any], rest: Sequence[ColumnElement[Any]], after: Key) -> ColumnElement[bool]:
    mark = literal(after[0], first.type)
    if not rest:
        return first < mark
    return or_(first < mark, and_(first == mark, tuple_(*rest) > row_of(rest, after[1:])))


def _findings(connection: Connection, address: str, page: Page) -> Rows:
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
    found.sort(key=_weight)
    if page.after is not None:
        last = _weight(dict(zip(_FINDING_KEY, page.after, strict=True)))
        found = [row for row in found if _weight(row) > last]
    shown = found[: page.limit]
    return Rows(rows=shown, keys=[tuple(row[name] for name in _FINDING_KEY) for row in shown])


def _weight(row: Mapping[str, Any]) -> Key:
    counted, points, rule, subject = (row[name] for name in _FINDING_KEY)
    return -counted, -points, rule, subject


def _counted(found: Sequence[Finding]) -> Iterator[float]:
    """Yield what each adds to the score of those before it: a rule counts once, and a score ends at 1."""
    whole, before = score(found), 0.0
    for end in range(1, len(found) + 1):
        after = score(found[:end]) if before < whole else whole
        yield round(after - before, 4)
        before = after


def _of_table(table: Table, names: Sequence[str], key: Sequence[str]) -> "HostPart":
    def read(connection: Connection, address: str, page: Page) -> Rows:
        chosen = select(*_columns(table, names)).where(table.c.address == address)
        return _rows(connection, chosen, _columns(table, key), page)

    return HostPart(table=table, key=key, read=read)


def _certificates(connection: Connection, address: str, page: Page) -> Rows:
    seen = _columns(sightings, ("protocol", "port", "source", "first_seen", "last_seen", "details"))
    said = [certificates.c[column.name] for column in certificates.c if column.name != "der"]
    chosen = (
        select(*said, *seen)
        .join(sightings, sightings.c.fingerprint == certificates.c.fingerprint)
        .where(sightings.c.address == address)
    )
    found = _rows(connection, chosen, _columns(sightings, _SIGHTING_KEY), page)
    return Rows(rows=[{**row, "names": msgspec.json.decode(row["names"])} for row in found.rows], keys=found.keys)


def _columns(table: Table, names: Sequence[str]) -> list[ColumnElement[Any]]:
    return [table.c[name] for name in names]


class HostPart(Struct, frozen=True, kw_only=True):
    """One list of a host: its table, the columns of its key in their order, and what reads a page of it."""

    table: Table
    key: Sequence[str]
    read: Callable[[Connection, str, Page], Rows]


PARTS: Final[Mapping[str, HostPart]] = {
    "evidence": HostPart(table=findings, key=_FINDING_KEY, read=_findings),
    "hostnames": _of_table(hostnames, _NAME, ("last_seen", "name", "source")),
    "hardware_addresses": _of_table(hardware_addresses, _HARDWARE, ("last_seen", "mac", "source")),
    "ports": _of_table(ports, _PORT, ("port", "protocol")),
    "banners": _of_table(banners, _BANNER, ("last_seen", "protocol", "port", "source", "digest")),
    "certificates": HostPart(table=sightings, key=_SIGHTING_KEY, read=_certificates),
    "jobs": _of_table(jobs, _JOB, ("id",)),
}
"""The lists of a host, by name."""
