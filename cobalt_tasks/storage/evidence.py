"""Evidence against hosts: what it is computed from, where it is kept, and what it adds up to on a map."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, and_, delete, func, select, tuple_

from cobalt_tasks.contracts import State
from cobalt_tasks.storage.bulk import insert_into, later
from cobalt_tasks.storage.engine import database_now
from cobalt_tasks.storage.locations import KIND, NO_PROVIDER
from cobalt_tasks.storage.models import (
    certificates,
    evidence,
    hosts,
    jobs,
    locations,
    observations,
    ports,
    scores,
    sightings,
)
from cobalt_tasks.threat import TRAFFIC_RULES, Contact, Evidence, Known, Port, Talker

_SETTLED_SECONDS = 5.0
"""Younger rows wait for the next look: one that is committed late may still come before them."""

_LOOKED_THROUGH = 100_000
_RADIUS_KM = 50
_ZONES = 10
_COUNTRIES_SHOWN = 3


class Span(Struct, frozen=True, kw_only=True):
    """Observations by their ids: those above one, up to another."""

    above: float
    upto: float


class Score(Struct, frozen=True, kw_only=True):
    """A host's score from 0 to 1, the version of the rules it was made by, and when."""

    address: str
    score: float
    rule_version: str
    scored_at: float


class Zone(Struct, frozen=True, kw_only=True):
    """A spot of 0.1 by 0.1 degrees with connections to hosts that something speaks against.

    `threat_score` is the mean of those hosts' scores, weighted by connections; `countries` are the most frequent codes.
    """

    lat: float
    lon: float
    threat_score: float
    connection_count: int
    countries: tuple[str, ...]
    radius_km: int = _RADIUS_KM


# What evidence is made from ------------------------------------------------------------------------------------------


def addresses(connection: Connection, after: str, limit: int) -> list[str]:
    """Return the next hosts behind an address ('' to begin)."""
    statement = select(hosts.c.address).where(hosts.c.address > after).order_by(hosts.c.address).limit(limit)
    return list(connection.execute(statement).scalars())


def known(connection: Connection, of: Sequence[str]) -> list[Known]:
    """Return what is known of hosts, as the rules want it."""
    open_ports: dict[str, list[Port]] = defaultdict(list)
    for address, port in _ports(connection, of):
        open_ports[address].append(port)
    places = {
        row.address: row
        for row in connection.execute(
            select(locations.c.address, locations.c.country_code, locations.c.asn, locations.c.fetched_at).where(
                locations.c.address.in_(of),
            ),
        )
    }
    looked_up = (
        select(jobs.c.address, func.max(jobs.c.finished_at).label("at"))
        .where(
            jobs.c.kind == KIND,
            jobs.c.address.in_(of),
            jobs.c.state.in_([State.DONE, State.FAILED]),
            # That nobody could be asked is our trouble, and says nothing about a host.
            jobs.c.outcome.is_distinct_from(NO_PROVIDER),
        )
        .group_by(jobs.c.address)
    )
    ended = {row.address: row.at for row in connection.execute(looked_up)}
    return [_known(address, places.get(address), ended.get(address), open_ports[address]) for address in of]


def contacts(
    connection: Connection, only: Iterable[int], ids: Span, behind: Contact | None, limit: int
) -> list[Contact]:
    """Return the hosts and their ports, of a few, that connections went to; the next ones behind a contact."""
    key = (observations.c.dst_ip, observations.c.protocol, observations.c.dst_port)
    statement = (
        select(*key, func.max(observations.c.observed_at))
        .where(_within(ids), observations.c.dst_port.in_(sorted(only)))
        .group_by(*key)
        .order_by(*key)
        .limit(limit)
    )
    if behind is not None:
        statement = statement.where(tuple_(*key) > tuple_(behind.address, behind.protocol, behind.port))
    return [
        Contact(address=address, protocol=protocol, port=port, observed_at=at)
        for address, protocol, port, at in connection.execute(statement)
    ]


def talkers(connection: Connection, ids: Span, after: str, limit: int) -> list[Talker]:
    """Return the next hosts behind an address that have an open port and that connections came from."""
    newest = (
        select(ports.c.address, func.max(ports.c.first_seen).label("first_seen"))
        .where(ports.c.address > after)
        .group_by(ports.c.address)
        .subquery()
    )
    statement = (
        select(newest.c.address, newest.c.first_seen, func.max(observations.c.observed_at))
        .join(observations, observations.c.src_ip == newest.c.address)
        .where(_within(ids))
        .group_by(newest.c.address, newest.c.first_seen)
        .order_by(newest.c.address)
        .limit(limit)
    )
    return [
        Talker(address=address, listens_since=first, observed_at=at)
        for address, first, at in connection.execute(statement)
    ]


def settled_observations(connection: Connection, above: float, most: int | None) -> Span:
    """Return which observations behind an id may be read now, at most so many; the last of all without a limit."""
    behind = observations.c.id > above
    if most is not None:
        first = connection.execute(select(func.min(observations.c.id)).where(behind)).scalar()
        behind = and_(behind, observations.c.id < (first or 0) + most)
    settled = observations.c.arrived_at < database_now() - _SETTLED_SECONDS
    upto = connection.execute(select(func.max(observations.c.id)).where(behind, settled)).scalar()
    return Span(above=above, upto=float(above if upto is None else upto))


def ends(connection: Connection, ids: Span) -> set[str]:
    """Return the hosts at both ends of some observations."""
    seen: set[str] = set()
    for column in (observations.c.src_ip, observations.c.dst_ip):
        seen.update(connection.execute(select(column).distinct().where(_within(ids))).scalars())
    return seen


def settled_jobs(connection: Connection, after: float, most: int) -> tuple[float, set[str]]:
    """Return up to which time the jobs that ended after a time may be read now, and their hosts."""
    statement = (
        select(jobs.c.finished_at, jobs.c.address)
        .where(jobs.c.finished_at > after, jobs.c.finished_at < database_now() - _SETTLED_SECONDS)
        .order_by(jobs.c.finished_at)
        .limit(most)
    )
    rows = connection.execute(statement).all()
    if len(rows) < most:
        return (rows[-1][0] if rows else after), {row[1] for row in rows}
    # Jobs of one batch end at one time: take all of those, or the rest of them would be left out.
    upto = rows[-1][0]
    same = select(jobs.c.address).where(jobs.c.finished_at == upto)
    return upto, {row[1] for row in rows} | set(connection.execute(same).scalars())


# What it is kept as --------------------------------------------------------------------------------------------------


def add(connection: Connection, found: Iterable[Evidence], version: str) -> None:
    """Add evidence; what is known already is only seen later."""
    best = {(each.address, each.rule, each.subject): each for each in found}
    rows = [{**msgspec.structs.asdict(each), "rule_version": version} for _, each in sorted(best.items())]
    if not rows:
        return
    insert = insert_into(connection, evidence)
    changes: dict[str, Any] = {name: insert.excluded[name] for name in ("points", "source", "detail", "rule_version")}
    changes["observed_at"] = later(insert.excluded.observed_at, evidence.c.observed_at)
    connection.execute(insert.on_conflict_do_update(index_elements=["address", "rule", "subject"], set_=changes), rows)


def replace(
    connection: Connection, of: Sequence[str], found: Iterable[Evidence], version: str, *, everything: bool
) -> None:
    """Put evidence in the place of all that the hosts have, but for what traffic showed.

    `everything`: traffic has been looked through again, so that what it showed by other rules goes too.
    """
    stays = and_(evidence.c.source == "traffic", evidence.c.rule.in_(TRAFFIC_RULES))
    if everything:
        stays = and_(stays, evidence.c.rule_version == version)
    connection.execute(delete(evidence).where(evidence.c.address.in_(of), ~stays))
    add(connection, found, version)


def of_hosts(connection: Connection, addresses: Sequence[str]) -> dict[str, list[Evidence]]:
    """Return the evidence against hosts, the weightiest first."""
    statement = (
        select(*(evidence.c[name] for name in Evidence.__struct_fields__))
        .where(evidence.c.address.in_(addresses))
        .order_by(evidence.c.points.desc(), evidence.c.rule, evidence.c.subject)
    )
    found: dict[str, list[Evidence]] = defaultdict(list)
    for row in connection.execute(statement).mappings():
        found[row["address"]].append(Evidence(**row))
    return found


def scores_of(connection: Connection, addresses: Sequence[str]) -> dict[str, Score]:
    """Return the scores of hosts."""
    statement = select(scores).where(scores.c.address.in_(addresses))
    return {row["address"]: Score(**row) for row in connection.execute(statement).mappings()}


def write_scores(connection: Connection, found: dict[str, float], version: str) -> None:
    """Keep what evidence adds up to."""
    rows = [{"address": address, "score": score, "rule_version": version} for address, score in sorted(found.items())]
    if not rows:
        return
    insert = insert_into(connection, scores).values(scored_at=database_now())
    changes = {name: insert.excluded[name] for name in ("score", "rule_version", "scored_at")}
    connection.execute(insert.on_conflict_do_update(index_elements=["address"], set_=changes), rows)


def highest(connection: Connection, limit: int) -> list[Score]:
    """Return the hosts that most speaks against."""
    statement = select(scores).where(scores.c.score > 0).order_by(scores.c.score.desc(), scores.c.address).limit(limit)
    return [Score(**row) for row in connection.execute(statement).mappings()]


def count_other_versions(connection: Connection, version: str) -> int:
    """Count the hosts whose score was made by other rules."""
    return connection.execute(select(func.count()).where(scores.c.rule_version != version)).scalar_one()


def zones(connection: Connection, since: float, limit: int = _ZONES) -> list[Zone]:
    """Return where the connections that arrived since a time went to, as far as something speaks against those hosts.

    A host without any evidence makes no zone, one on the equator or the prime meridian does. At most the newest 100,000
    connections are looked at.
    """
    newest = connection.execute(select(func.max(observations.c.id))).scalar()
    north, east = func.round(locations.c.latitude * 10), func.round(locations.c.longitude * 10)
    statement = (
        select(north, east, locations.c.country_code, func.sum(scores.c.score), func.count())
        .select_from(observations)
        .join(locations, locations.c.address == observations.c.dst_ip)
        .join(scores, scores.c.address == observations.c.dst_ip)
        .where(
            observations.c.id > (newest or 0) - _LOOKED_THROUGH,
            observations.c.arrived_at > since,
            locations.c.latitude.is_not(None),
            scores.c.score > 0,
        )
        .group_by(north, east, locations.c.country_code)
    )
    cells: dict[tuple[float, float], dict[str | None, tuple[float, int]]] = defaultdict(dict)
    for lat, lon, country, total, count in connection.execute(statement):
        # There is one equator: no -0.0.
        cells[lat / 10 + 0.0, lon / 10 + 0.0][country] = (total, count)
    found = [_zone(lat, lon, countries) for (lat, lon), countries in cells.items()]
    return sorted(found, key=lambda zone: (-zone.threat_score, -zone.connection_count, zone.lat, zone.lon))[:limit]


def _zone(lat: float, lon: float, countries: dict[str | None, tuple[float, int]]) -> Zone:
    count = sum(each for _, each in countries.values())
    frequent = sorted((code for code in countries if code), key=lambda code: -countries[code][1])
    return Zone(
        lat=lat,
        lon=lon,
        threat_score=round(sum(total for total, _ in countries.values()) / count, 4),
        connection_count=count,
        countries=tuple(frequent[:_COUNTRIES_SHOWN]),
    )


def _within(ids: Span) -> ColumnElement[bool]:
    return and_(observations.c.id > ids.above, observations.c.id <= ids.upto)


def _known(address: str, place: Any, ended: float | None, open_ports: Sequence[Port]) -> Known:
    if place is None:
        return Known(address=address, looked_up_at=ended, ports=open_ports)
    return Known(
        address=address,
        looked_up_at=place.fetched_at,
        country_code=place.country_code,
        asn=place.asn,
        ports=open_ports,
    )


def _ports(connection: Connection, of: Sequence[str]) -> Iterable[tuple[str, Port]]:
    """Give the open ports of hosts, each with the certificate that was seen there last."""
    key = (sightings.c.address, sightings.c.protocol, sightings.c.port)
    newest = func.row_number().over(partition_by=key, order_by=sightings.c.last_seen.desc()).label("rank")
    seen = select(*key, sightings.c.fingerprint, newest).where(sightings.c.address.in_(of)).subquery()
    statement = (
        select(
            *(ports.c[name] for name in ("address", "protocol", "port", "service", "first_seen", "last_seen")),
            certificates.c.self_signed,
            certificates.c.not_after,
        )
        .outerjoin(
            seen,
            and_(
                seen.c.address == ports.c.address,
                seen.c.protocol == ports.c.protocol,
                seen.c.port == ports.c.port,
                seen.c.rank == 1,
            ),
        )
        .outerjoin(certificates, certificates.c.fingerprint == seen.c.fingerprint)
        .where(ports.c.address.in_(of))
    )
    for address, *values in connection.execute(statement):
        yield address, Port(**dict(zip(Port.__struct_fields__, values, strict=True)))
