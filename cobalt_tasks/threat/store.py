"""Evidence against hosts: what it is computed from, where it is kept, and what it adds up to."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec import Struct
from sqlalchemy import Connection, Double, Text, and_, bindparam, delete, func, literal, select, true

from cobalt_tasks.core.catalog import GEOLOCATION
from cobalt_tasks.core.records import NO_PROVIDER, State
from cobalt_tasks.db.bulk import Columns, encode, insert_into, later, one_of, rows_of
from cobalt_tasks.db.engine import statement_now
from cobalt_tasks.db.tables import certificates, evidence, hosts, jobs, locations, ports, scores, sightings
from cobalt_tasks.threat.rules import Evidence, Known, Port

_ASKED_AT_ONCE = 1000
_KEY = ("address", "rule", "subject")
_EVIDENCE: Columns = {
    **{name: Double() if name in {"points", "observed_at"} else Text() for name in Evidence.__struct_fields__},
    "rule_version": Text(),
}


Key = tuple[str, str, str]
"""The host, the rule, and what about the host."""


class Kept(NamedTuple):
    """Evidence as it is kept, and the version of the rules that found it."""

    evidence: Evidence
    rule_version: str


class Score(Struct, frozen=True, kw_only=True):
    """A host's score from 0 to 1, the version of the rules it was made by, and when."""

    address: str
    score: float
    rule_version: str
    scored_at: float


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
            # That nobody could be asked is our trouble, and says nothing about a host.
            jobs.c.outcome.is_distinct_from(NO_PROVIDER),
        )
        .group_by(jobs.c.address)
    )
    return {row.address: row.at for row in connection.execute(statement)}


# What it is kept as --------------------------------------------------------------------------------------------------


def add(connection: Connection, found: Iterable[Evidence], version: str) -> None:
    """Add evidence; what is known already is only seen later."""
    best = {key(each): each for each in found}
    if not best:
        return
    new = rows_of(connection, "new", _EVIDENCE)
    insert = insert_into(connection, evidence).from_select(list(_EVIDENCE), select(new).where(true()))
    changes: dict[str, Any] = {name: insert.excluded[name] for name in ("points", "source", "detail", "rule_version")}
    changes["observed_at"] = later(insert.excluded.observed_at, evidence.c.observed_at)
    rows = [
        [*(getattr(each, name) for name in Evidence.__struct_fields__), version] for _, each in sorted(best.items())
    ]
    statement = insert.on_conflict_do_update(index_elements=["address", "rule", "subject"], set_=changes)
    connection.execute(statement, encode(rows))


def kept(connection: Connection, of: Sequence[str]) -> dict[Key, Kept]:
    """Return the evidence that is kept against hosts."""
    columns = [evidence.c[name] for name in _EVIDENCE]
    found = {}
    for some in _parts(of):
        for *values, made_by in connection.execute(
            select(*columns).where(one_of(connection, evidence.c.address, some))
        ):
            each = Evidence(**dict(zip(Evidence.__struct_fields__, values, strict=True)))
            found[key(each)] = Kept(each, made_by)
    return found


def remove(connection: Connection, of: Collection[Key]) -> None:
    """Remove evidence."""
    if of:
        same = [evidence.c[name] == bindparam(mark) for name, mark in zip(_KEY, ("host", "by", "about"), strict=True)]
        marked = [dict(zip(("host", "by", "about"), each, strict=True)) for each in sorted(of)]
        connection.execute(delete(evidence).where(*same), marked)


def key(found: Evidence) -> Key:
    """Return what there is one piece of evidence for."""
    return found.address, found.rule, found.subject


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
    statement = select(scores).where(one_of(connection, scores.c.address, addresses))
    found = connection.execute(statement).mappings().all()
    return {row["address"]: Score(**row) for row in found}


def unscored(connection: Connection, addresses: Sequence[str], since: float) -> set[str]:
    """Return those of the hosts that have not been scored since a time (epoch seconds)."""
    left = set(addresses)
    for some in _parts(addresses):
        is_theirs = one_of(connection, scores.c.address, some)
        scored = select(scores.c.address).where(is_theirs, scores.c.scored_at > since)
        left.difference_update(connection.execute(scored).scalars().all())
    return left


def _parts(addresses: Sequence[str]) -> Iterable[Sequence[str]]:
    """Yield some addresses after the other: for many at once a planner would rather read the whole table."""
    return (addresses[start : start + _ASKED_AT_ONCE] for start in range(0, len(addresses), _ASKED_AT_ONCE))


def write_scores(connection: Connection, found: Mapping[str, float], version: str) -> None:
    """Keep what evidence adds up to."""
    if not found:
        return
    new = rows_of(connection, "new", {"address": Text(), "score": Double()})
    made = select(new.c.address, new.c.score, literal(version, Text()), statement_now()).where(true())
    insert = insert_into(connection, scores).from_select(["address", "score", "rule_version", "scored_at"], made)
    changes = {name: insert.excluded[name] for name in ("score", "rule_version", "scored_at")}
    statement = insert.on_conflict_do_update(index_elements=["address"], set_=changes)
    connection.execute(statement, encode(sorted(found.items())))


def highest(connection: Connection, limit: int) -> list[Score]:
    """Return the hosts that most speaks against; of equal ones in the order of the index, the last address first."""
    best_first = scores.c.score.desc(), scores.c.address.desc()
    statement = select(scores).where(scores.c.score > 0).order_by(*best_first).limit(limit)
    return [Score(**row) for row in connection.execute(statement).mappings()]


def count_other_versions(connection: Connection, version: str) -> int:
    """Count the hosts whose score was made by other rules."""
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
    """Give the open ports of hosts, each with the certificate that was seen there last."""
    key = (sightings.c.address, sightings.c.protocol, sightings.c.port)
    newest = func.row_number().over(partition_by=key, order_by=sightings.c.last_seen.desc()).label("rank")
    ranked = select(*key, sightings.c.fingerprint, newest)
    seen = ranked.where(one_of(connection, sightings.c.address, of)).subquery()
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
        .where(one_of(connection, ports.c.address, of))
    )
    for address, *values in connection.execute(statement).all():
        yield address, Port(**dict(zip(Port.__struct_fields__, values, strict=True)))
