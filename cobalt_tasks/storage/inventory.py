"""What is known about hosts: pages of them, and one in full. Read by the views."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, and_, exists, func, or_, select, tuple_
from sqlalchemy.sql.selectable import Select

from cobalt_tasks.storage.models import (
    banners,
    certificates,
    evidence,
    hostnames,
    hosts,
    jobs,
    locations,
    ports,
    scores,
    sightings,
)
from cobalt_tasks.threat import Evidence, score

Row = dict[str, Any]

LOCATION = (
    "country_code",
    "country_name",
    "region",
    "city",
    "latitude",
    "longitude",
    "timezone",
    "asn",
    "organisation",
    "isp",
    "provider",
)
"""The columns of a location that every view shows."""

_NAMES_SHOWN = 20
_PORTS_SHOWN = 50
_IN_FULL = 500


class Filter(Struct, frozen=True, kw_only=True):
    """Which hosts: in a country (two letters), with a port, with a service."""

    country: str | None = None
    port: int | None = None
    service: str | None = None


EVERY = Filter()


class Order(StrEnum):
    """Which hosts come first: the last seen, or those that most speaks against (and of the others none at all).

    The value is the column that pages are ordered by; hosts that are equal in it come by address.
    """

    LAST_SEEN = "last_seen"
    SCORE = "score"


class After(Struct, frozen=True):
    """Where the next page begins: behind this host, in the order of the pages. `mark` is what they are ordered by."""

    mark: float
    address: str


def page(
    connection: Connection,
    limit: int,
    *,
    only: Filter = EVERY,
    order: Order = Order.LAST_SEEN,
    after: After | None = None,
) -> list[Row]:
    """Return hosts in an order: score (None: not made yet), location, names, ports with their services.

    A host shows at most 20 names and 50 ports here; `one` has more.
    """
    chosen = (_riskiest_first if order is Order.SCORE else _last_seen_first)(after)
    chosen = chosen.outerjoin(locations, locations.c.address == hosts.c.address).limit(limit)
    found = [dict(row) for row in connection.execute(_filtered(chosen, only)).mappings()]
    _add_names_and_ports(connection, found)
    return found


def has_hosts(connection: Connection) -> bool:
    """Return whether the ledger knows any host."""
    return connection.execute(select(hosts.c.address).limit(1)).first() is not None


def has_scores(connection: Connection) -> bool:
    """Return whether any host was scored."""
    return connection.execute(select(scores.c.address).limit(1)).first() is not None


def one(connection: Connection, address: str) -> Row | None:
    """Return all that is known about one address, or None: score and evidence, ports, banners, certificates, names,
    location, jobs.

    Each list holds at most 500 rows, the latest first; evidence the weightiest first.
    """
    chosen = (
        select(
            hosts.c.address,
            hosts.c.first_seen,
            hosts.c.last_seen,
            hosts.c.discovered,
            scores.c.score,
            scores.c.scored_at,
            scores.c.rule_version,
            *_location(),
            locations.c.sources.label("location_sources"),
            locations.c.fetched_at.label("located_at"),
            locations.c.database_built,
        )
        .outerjoin(scores, scores.c.address == hosts.c.address)
        .outerjoin(locations, locations.c.address == hosts.c.address)
        .where(hosts.c.address == address)
    )
    row = connection.execute(chosen).mappings().one_or_none()
    if row is None:
        return None
    return {
        **row,
        "location_sources": msgspec.json.decode(row["location_sources"]) if row["location_sources"] else None,
        "evidence": _evidence(connection, address),
        "hostnames": _of(connection, hostnames.c, ("name", "source", "confirmed", "first_seen", "last_seen"), address),
        "ports": _ports_in_full(connection, address),
        "banners": _of(connection, banners.c, _BANNER, address),
        "certificates": _certificates(connection, address),
        "jobs": _jobs(connection, address),
    }


def names_of(connection: Connection, addresses: Sequence[str], limit: int = _NAMES_SHOWN) -> dict[str, list[str]]:
    """Return up to `limit` names of each address, confirmed ones first, then what its owner says (PTR)."""
    rank = func.row_number().over(
        partition_by=hostnames.c.address,
        order_by=(
            hostnames.c.confirmed.is_(True).desc(),
            (hostnames.c.source == "ptr").desc(),
            hostnames.c.last_seen.desc(),
            hostnames.c.name,
        ),
    )
    ranked = (
        select(hostnames.c.address, hostnames.c.name, rank.label("rank"))
        .where(hostnames.c.address.in_(addresses))
        .subquery()
    )
    found: dict[str, list[str]] = {}
    for address, name in connection.execute(
        select(ranked.c.address, ranked.c.name).where(ranked.c.rank <= limit).order_by(ranked.c.address, ranked.c.rank),
    ):
        names = found.setdefault(address, [])
        if name not in names:
            names.append(name)
    return found


_BANNER = ("protocol", "port", "source", "service", "product", "version", "text", "first_seen", "last_seen")
_PORT = ("protocol", "port", "service", "product", "version", "banner", "first_seen", "last_seen")
_JOB = ("id", "kind", "protocol", "port", "step", "state", "attempts", "created_at", "finished_at", "outcome", "detail")


def _last_seen_first(after: After | None) -> Select[Any]:
    chosen = select(*_listed()).select_from(hosts).outerjoin(scores, scores.c.address == hosts.c.address)
    chosen = chosen.order_by(hosts.c.last_seen.desc(), hosts.c.address)
    if after is None:
        return chosen
    behind = and_(hosts.c.last_seen == after.mark, hosts.c.address > after.address)
    return chosen.where(hosts.c.last_seen <= after.mark, or_(hosts.c.last_seen < after.mark, behind))


def _riskiest_first(after: After | None) -> Select[Any]:
    # Thousands of hosts may have the same score: both columns go down, so that one index has them in this very order.
    chosen = select(*_listed()).select_from(scores).join(hosts, hosts.c.address == scores.c.address)
    chosen = chosen.where(scores.c.score > 0).order_by(scores.c.score.desc(), scores.c.address.desc())
    if after is None:
        return chosen
    return chosen.where(tuple_(scores.c.score, scores.c.address) < tuple_(after.mark, after.address))


def _listed() -> list[ColumnElement[Any]]:
    seen = [hosts.c[name] for name in ("address", "first_seen", "last_seen", "discovered")]
    return [*seen, scores.c.score, *_location()]


def _location() -> list[ColumnElement[Any]]:
    return [locations.c[name] for name in LOCATION]


def _filtered(chosen: Select[Any], only: Filter) -> Select[Any]:
    if only.country:
        chosen = chosen.where(locations.c.country_code == only.country)
    if only.port is not None or only.service:
        wanted = [ports.c.address == hosts.c.address]
        if only.port is not None:
            wanted.append(ports.c.port == only.port)
        if only.service:
            wanted.append(ports.c.service == only.service)
        chosen = chosen.where(exists().where(*wanted))
    return chosen


def _add_names_and_ports(connection: Connection, found: list[Row]) -> None:
    addresses = [row["address"] for row in found]
    names = names_of(connection, addresses)
    rank = func.row_number().over(partition_by=ports.c.address, order_by=(ports.c.port, ports.c.protocol))
    columns = [ports.c[name] for name in ("address", "protocol", "port", "service", "product", "version")]
    ranked = select(*columns, rank.label("rank")).where(ports.c.address.in_(addresses)).subquery()
    services: dict[str, list[Row]] = {}
    for row in connection.execute(
        select(ranked).where(ranked.c.rank <= _PORTS_SHOWN).order_by(ranked.c.address, ranked.c.rank),
    ).mappings():
        shown = {name: row[name] for name in ("protocol", "port", "service", "product", "version")}
        services.setdefault(row["address"], []).append(shown)
    for host in found:
        host["names"] = names.get(host["address"], [])
        host["ports"] = services.get(host["address"], [])


def _evidence(connection: Connection, address: str) -> list[Row]:
    """Return what speaks against a host; `counted` is what a row adds to the score, the sum of all is the score."""
    weight = evidence.c.points.desc()
    rank = func.row_number().over(partition_by=evidence.c.rule, order_by=(weight, evidence.c.subject))
    chosen = (
        select(*evidence.c)
        .where(evidence.c.address == address)
        # The best of each rule comes first, so that what counts is never cut off.
        .order_by(rank, weight, evidence.c.rule, evidence.c.subject)
        .limit(_IN_FULL)
    )
    rows = connection.execute(chosen).mappings().all()
    counted = _counted([Evidence(**{name: row[name] for name in Evidence.__struct_fields__}) for row in rows])
    found = [{**row, "counted": each} for row, each in zip(rows, counted, strict=True)]
    return sorted(found, key=lambda row: (-row["counted"], -row["points"], row["rule"], row["subject"]))


def _counted(found: Sequence[Evidence]) -> Iterator[float]:
    """Give what each adds to the score of those before it: a rule counts once, and a score ends at 1."""
    whole, before = score(found), 0.0
    for end in range(1, len(found) + 1):
        after = score(found[:end]) if before < whole else whole
        yield round(after - before, 4)
        before = after


def _of(connection: Connection, columns: Any, names: Sequence[str], address: str) -> list[Row]:
    chosen = (
        select(*(columns[name] for name in names))
        .where(columns.address == address)
        .order_by(columns.last_seen.desc(), *(columns[name] for name in names[:3]))
        .limit(_IN_FULL)
    )
    return [dict(row) for row in connection.execute(chosen).mappings()]


def _ports_in_full(connection: Connection, address: str) -> list[Row]:
    chosen = (
        select(*(ports.c[name] for name in _PORT))
        .where(ports.c.address == address)
        .order_by(ports.c.port, ports.c.protocol)
        .limit(_IN_FULL)
    )
    return [dict(row) for row in connection.execute(chosen).mappings()]


def _certificates(connection: Connection, address: str) -> list[Row]:
    seen = [sightings.c[name] for name in ("protocol", "port", "source", "first_seen", "last_seen")]
    said = [certificates.c[column.name] for column in certificates.c if column.name != "der"]
    chosen = (
        select(*said, *seen)
        .join(sightings, sightings.c.fingerprint == certificates.c.fingerprint)
        .where(sightings.c.address == address)
        .order_by(sightings.c.last_seen.desc(), sightings.c.port)
        .limit(_IN_FULL)
    )
    rows = connection.execute(chosen).mappings()
    return [{**row, "names": msgspec.json.decode(row["names"])} for row in rows]


def _jobs(connection: Connection, address: str) -> list[Row]:
    chosen = (
        select(*(jobs.c[name] for name in _JOB))
        .where(jobs.c.address == address)
        .order_by(jobs.c.id.desc())
        .limit(_IN_FULL)
    )
    return [dict(row) for row in connection.execute(chosen).mappings()]
