"""The queries of scoring: the facts that rules use, findings, and scores."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import starmap
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Double, Text, and_, delete, func, insert, literal, select, true, tuple_

from cobalt_tasks.core.catalog import GEOLOCATION
from cobalt_tasks.core.records import NO_PROVIDER, State
from cobalt_tasks.db.bulk import Columns, encode, insert_into, later, one_of, rows_of
from cobalt_tasks.db.engine import statement_now
from cobalt_tasks.db.tables import (
    certificates,
    findings,
    hosts,
    jobs,
    locations,
    new_findings,
    ports,
    scores,
    sightings,
)
from cobalt_tasks.threat.findings import Finding, Handshake, Port
from cobalt_tasks.threat.rules import Known

_ASKED_AT_ONCE = 1000
_MOST_NEW = 100_000
_KEY = ("address", "rule", "subject")
_FINDING: Columns = {
    **{name: Double() if name in {"points", "observed_at"} else Text() for name in Finding.__struct_fields__},
    "rule_version": Text(),
}


Key = tuple[str, str, str]
"""(address, rule, subject)."""


class StoredFinding(NamedTuple):
    """A stored finding, and the version of the rules that found it."""

    finding: Finding
    rule_version: str


class Mark(NamedTuple):
    """What of a stored finding differs when a fact is seen again."""

    points: float
    observed_at: float
    rule_version: str


class Score(Struct, frozen=True, gc=False):
    """A host's score from 0 to 1, the version of the rules it was made by, and when; and when the host was scored first.

    `first_scored_at`: None in ledgers of earlier versions.
    """

    address: str
    score: float
    rule_version: str
    scored_at: float
    first_scored_at: float | None = None


# What findings are made from ------------------------------------------------------------------------------------------


def addresses(connection: Connection, after: str, limit: int) -> list[str]:
    """Return the first `limit` hosts behind the address `after` ('': from the first)."""
    statement = select(hosts.c.address).where(hosts.c.address > after).order_by(hosts.c.address).limit(limit)
    return list(connection.execute(statement).scalars())


def known(connection: Connection, of: Sequence[str]) -> list[Known]:
    """Return the facts that rules use about the hosts with the addresses `of`, in their order."""
    open_ports: dict[str, list[Port]] = defaultdict(list)
    for address, port in _ports(connection, of):
        open_ports[address].append(port)
    placed = select(locations.c.address, locations.c.country_code, locations.c.asn, locations.c.fetched_at)
    places = {
        row.address: row for row in connection.execute(placed.where(one_of(connection, locations.c.address, of))).all()
    }
    ended = _looked_up(connection, [address for address in of if address not in places])
    return [_known(address, places.get(address), ended.get(address), open_ports[address]) for address in of]


def _looked_up(connection: Connection, of: Sequence[str]) -> dict[str, float]:
    """Return when looking up the locations of hosts came to an end, of those for which it did."""
    statement = (
        select(jobs.c.address, func.max(jobs.c.finished_at).label("at"))
        .where(
            jobs.c.kind == GEOLOCATION,
            one_of(connection, jobs.c.address, of),
            jobs.c.state.in_([State.DONE, State.FAILED]),
            # A failure of all providers is no fact about the host.
            jobs.c.outcome.is_distinct_from(NO_PROVIDER),
        )
        .group_by(jobs.c.address)
    )
    return {row.address: row.at for row in connection.execute(statement)}


# What is stored ------------------------------------------------------------------------------------------------------


def add(connection: Connection, found: Iterable[Finding], version: str) -> None:
    """Add the findings `found` by rules of this `version`; a known one is replaced, and keeps its latest time."""
    best = {key(each): each for each in found}
    if not best:
        return
    new = rows_of(connection, "new", _FINDING)
    insert = insert_into(connection, findings).from_select(list(_FINDING), select(new).where(true()))
    changes: dict[str, Any] = {name: insert.excluded[name] for name in ("points", "source", "detail", "rule_version")}
    changes["observed_at"] = later(insert.excluded.observed_at, findings.c.observed_at)
    rows = [[*(getattr(each, name) for name in Finding.__struct_fields__), version] for _, each in sorted(best.items())]
    statement = insert.on_conflict_do_update(index_elements=["address", "rule", "subject"], set_=changes)
    connection.execute(statement, encode(rows))


def stored(connection: Connection, of: Sequence[str]) -> dict[Key, StoredFinding]:
    """Return the stored findings of the hosts with the addresses `of`, by key."""
    columns = [findings.c[name] for name in _FINDING]
    found = {}
    for some in _parts(of):
        for *values, made_by in connection.execute(
            select(*columns).where(one_of(connection, findings.c.address, some))
        ):
            each = Finding(**dict(zip(Finding.__struct_fields__, values, strict=True)))
            found[key(each)] = StoredFinding(each, made_by)
    return found


def marks(connection: Connection, of: Sequence[str], by: Collection[str]) -> dict[Key, Mark]:
    """Return the marks of the stored findings of the hosts with the addresses `of` that the rules `by` made, by key."""
    names = (*_KEY, *Mark._fields)
    chosen = select(*(findings.c[name] for name in names)).where(findings.c.rule.in_(sorted(by)))
    found: dict[Key, Mark] = {}
    for some in _parts(of):
        for row in connection.execute(chosen.where(one_of(connection, findings.c.address, some))).all():
            address, rule, subject, *mark = row
            found[address, rule, subject] = Mark(*mark)
    return found


def announce(connection: Connection, of: Collection[Key]) -> None:
    """Queue the findings with the keys `of` for alerts. A queue that nothing reads stops to grow at 100,000."""
    if not of:
        return
    # The last and the first by a seek each; both in one SELECT would be a walk for SQLite.
    last, first = (select(end(new_findings.c.id)).scalar_subquery() for end in (func.max, func.min))
    waiting = connection.execute(select(last - first)).scalar() or 0
    if waiting < _MOST_NEW:
        connection.execute(insert(new_findings), [dict(zip(_KEY, each, strict=True)) for each in sorted(of)])


def remove(connection: Connection, of: Collection[Key]) -> None:
    """Delete the findings with the keys `of`."""
    if of:
        gone = rows_of(connection, "gone", dict.fromkeys(_KEY, Text()))
        keys = tuple_(*(findings.c[name] for name in _KEY))
        connection.execute(delete(findings).where(keys.in_(select(gone))), encode(sorted(of)))


def key(found: Finding) -> Key:
    """Return the key of a finding."""
    return found.address, found.rule, found.subject


def of_hosts(connection: Connection, addresses: Sequence[str]) -> dict[str, list[Finding]]:
    """Return the findings of the hosts at `addresses`, those with most points first."""
    statement = (
        select(*(findings.c[name] for name in Finding.__struct_fields__))
        .where(findings.c.address.in_(addresses))
        .order_by(findings.c.points.desc(), findings.c.rule, findings.c.subject)
    )
    found: dict[str, list[Finding]] = defaultdict(list)
    for row in connection.execute(statement).mappings():
        found[row["address"]].append(Finding(**row))
    return found


def scores_of(connection: Connection, addresses: Sequence[str]) -> dict[str, Score]:
    """Return the scores of the hosts at `addresses`; a host without one is left out."""
    columns = (scores.c[name] for name in Score.__struct_fields__)
    found = connection.execute(select(*columns).where(one_of(connection, scores.c.address, addresses)))
    return {score.address: score for score in starmap(Score, found)}


def discovered(connection: Connection, addresses: Sequence[str]) -> set[str]:
    """Return those of `addresses` that a scan reported."""
    chosen = select(hosts.c.address).where(one_of(connection, hosts.c.address, addresses), hosts.c.discovered)
    return set(connection.execute(chosen).scalars())


def unscored(connection: Connection, addresses: Sequence[str], since: float) -> set[str]:
    """Return those of `addresses` that have not been scored after `since` (epoch seconds)."""
    left = set(addresses)
    for some in _parts(addresses):
        is_theirs = one_of(connection, scores.c.address, some)
        scored = select(scores.c.address).where(is_theirs, scores.c.scored_at > since)
        left.difference_update(connection.execute(scored).scalars().all())
    return left


def _parts(addresses: Sequence[str]) -> Iterable[Sequence[str]]:
    """Yield the addresses in parts: for many at once a planner would read the whole table."""
    return (addresses[start : start + _ASKED_AT_ONCE] for start in range(0, len(addresses), _ASKED_AT_ONCE))


def write_scores(connection: Connection, found: Mapping[str, float], version: str) -> None:
    """Store the scores `found` (0 to 1, by address), made by rules of this `version`."""
    if not found:
        return
    new = rows_of(connection, "new", {"address": Text(), "score": Double()})
    made = select(new.c.address, new.c.score, literal(version, Text()), statement_now(), statement_now()).where(true())
    columns = ["address", "score", "rule_version", "scored_at", "first_scored_at"]
    insert = insert_into(connection, scores).from_select(columns, made)
    changes = {name: insert.excluded[name] for name in ("score", "rule_version", "scored_at")}
    statement = insert.on_conflict_do_update(index_elements=["address"], set_=changes)
    connection.execute(statement, encode(sorted(found.items())))


def highest(connection: Connection, limit: int) -> list[Score]:
    """Return up to `limit` hosts with the highest scores; equal scores by address, descending."""
    best_first = scores.c.score.desc(), scores.c.address.desc()
    statement = select(scores).where(scores.c.score > 0).order_by(*best_first).limit(limit)
    return [Score(**row) for row in connection.execute(statement).mappings()]


def count_other_versions(connection: Connection, version: str) -> int:
    """Count the hosts whose score was made by rules of another version than `version`."""
    return connection.execute(select(func.count()).where(scores.c.rule_version != version)).scalar_one()


def count_scores(connection: Connection) -> int:
    """Return how many hosts have a score."""
    return connection.execute(select(func.count()).select_from(scores)).scalar_one()


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
    """Yield the open ports of hosts, each with the certificate that was seen there last."""
    key = (sightings.c.address, sightings.c.protocol, sightings.c.port)
    newest = func.row_number().over(partition_by=key, order_by=sightings.c.last_seen.desc()).label("rank")
    ranked = select(*key, sightings.c.fingerprint, sightings.c.details, newest)
    seen = ranked.where(one_of(connection, sightings.c.address, of)).subquery()
    statement = (
        select(
            *(ports.c[name] for name in ("address", "protocol", "port", "service", "first_seen", "last_seen")),
            certificates.c.self_signed,
            *(certificates.c[name] for name in ("not_after", "key_type", "key_size", "signature")),
            seen.c.details,
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
        .where(one_of(connection, ports.c.address, of), ports.c.closed_since.is_(None))
    )
    for address, *values, details in connection.execute(statement).all():
        handshake = msgspec.json.decode(details, type=Handshake) if details else Handshake()
        yield address, Port(**dict(zip(Port.__struct_fields__, (*values, handshake), strict=True)))
