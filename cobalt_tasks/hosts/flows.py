"""How many connections each own site had with each country, by hour and day: counted by the upkeep as they are located.

A connection is counted once the queue of geolocation has passed it, an hour later at most; so its country is known by then,
where it can be known. The counts stay when the connections go.
"""

import time
from collections import Counter
from collections.abc import Iterator
from typing import Final, Literal

from msgspec import Struct
from sqlalchemy import Connection, func, select

from cobalt_tasks.core.addresses import is_public
from cobalt_tasks.core.catalog import BY_NAME, GEOLOCATION
from cobalt_tasks.core.durations import DAY, HOUR
from cobalt_tasks.core.own_networks import OwnNetworks
from cobalt_tasks.db import cursors
from cobalt_tasks.db.bulk import insert_into, whole
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import flow_counts, observations
from cobalt_tasks.hosts import stats, time_spans
from cobalt_tasks.hosts.locations import countries
from cobalt_tasks.threat import unscored

_SPANS: Final = ("hour", "day")

UNKNOWN: Final = "??"
INSIDE: Final = "--"
"""Codes in place of a country: of public addresses that are not located, and of connections between private ones."""

HOURS_KEPT_SECONDS: Final = 32 * DAY
_CURSOR: Final = "flows"
_CONNECTIONS: Final = 20_000
_SECONDS: Final = 0.5
_LOCATED_SECONDS: Final = 30.0
_LONGEST_WAIT_SECONDS: Final = HOUR
_SUM: Final = func.sum(flow_counts.c.connections)

Sums = Counter[tuple[int, str, str]]


class Flow(Struct, frozen=True, kw_only=True):
    """Connections between an own site ('': hosts outside of all) and a country (`??` unknown, `--` none)."""

    site: str
    country: str
    connections: int


def keep_up(database: Database, own: OwnNetworks, seconds: float = _SECONDS) -> int:
    """Count connections that were not counted yet; return how many. It is part of the upkeep round.

    Args:
        database: the ledger.
        own: the own networks, as they are now: what was counted keeps the names it was counted by.
        seconds: after which no further connections are read.

    """
    until, total = time.monotonic() + seconds, 0
    while True:
        with database.reading() as connection:
            before = cursors.position(connection, _CURSOR)
            ids = unscored.settled_observations(connection, before, _CONNECTIONS, _age_to_wait(connection))
            if ids.upto == before:
                return total
            sums = _count(connection, own, ids)
        database.write(_add, before, ids.upto, sums)
        total += sums.total()
        if time.monotonic() >= until:
            return total


def over_time(
    connection: Connection, by: Literal["country", "site"], span: str, since: float, until: float
) -> Iterator[tuple[int, str, int]]:
    """Yield (start, country or site, connections), in order of `start`.

    Args:
        connection: to the ledger.
        by: what the connections of a span are added up by.
        span: "hour" or "day".
        since: epoch seconds; the span that this lies in is the first.
        until: epoch seconds; the span that this lies in is the last.

    """
    key = flow_counts.c.start, flow_counts.c.country_code if by == "country" else flow_counts.c.site
    chosen = select(*key, _SUM).where(time_spans.within(flow_counts, span, since, until)).group_by(*key).order_by(*key)
    for start, name, number in connection.execute(chosen):
        yield start, name, int(number)


def by_country(connection: Connection, span: str, since: float, until: float) -> Counter[str]:
    """Return the connections of each country within a time, of all sites together.

    Args:
        connection: to the ledger.
        span: "hour" or "day", whose counts are added up.
        since: epoch seconds.
        until: epoch seconds.

    """
    key = flow_counts.c.country_code
    chosen = select(key, _SUM).where(time_spans.within(flow_counts, span, since, until)).group_by(key)
    return Counter({code: int(number) for code, number in connection.execute(chosen)})


def largest(connection: Connection, span: str, since: float, until: float, limit: int) -> list[Flow]:
    """Return the sites and countries with most connections within a time.

    Args:
        connection: to the ledger.
        span: "hour" or "day", whose counts are added up.
        since: epoch seconds.
        until: epoch seconds.
        limit: flows at most.

    """
    key = flow_counts.c.site, flow_counts.c.country_code
    chosen = (
        select(*key, _SUM)
        .where(time_spans.within(flow_counts, span, since, until))
        .group_by(*key)
        .order_by(_SUM.desc(), *key)
    )
    return [
        Flow(site=row[0], country=row[1], connections=int(row[2])) for row in connection.execute(chosen.limit(limit))
    ]


def expire(connection: Connection) -> None:
    """Delete counts of hours that are older than a month: those of days stay."""
    time_spans.expire(connection, flow_counts, "hour", HOURS_KEPT_SECONDS)


def _age_to_wait(connection: Connection) -> float:
    """Return how old a connection must be, in seconds, for its hosts to be located."""
    behind = stats.waiting_seconds(connection, BY_NAME[GEOLOCATION]) or 0.0
    return min(behind + _LOCATED_SECONDS, _LONGEST_WAIT_SECONDS)


def _count(connection: Connection, own: OwnNetworks, ids: unscored.Span) -> Sums:
    hour = whole(connection, observations.c.arrived_at / HOUR)
    ends = observations.c.src_ip, observations.c.dst_ip
    rows = connection.execute(select(hour, *ends, func.count()).where(unscored.within(ids)).group_by(hour, *ends)).all()
    addresses = {address for row in rows for address in row[1:3]}
    sites = {address: found.name if (found := own.of(address)) else "" for address in addresses}
    public = {address for address in addresses if is_public(address)}
    sums: Sums = Counter()
    ends_of = [(row[0], *_site_and_peer(row[1], row[2], sites, public), row[3]) for row in rows]
    places = countries(connection, sorted({peer for _, _, peer, _ in ends_of}))
    codes = {address: row.country_code for address, row in places.items()}
    for hour_, site, peer, number in ends_of:
        code = codes.get(peer) or (UNKNOWN if peer in public else INSIDE)
        sums[int(hour_ * HOUR), site, code] += number
    return sums


def _site_and_peer(source: str, target: str, sites: dict[str, str], public: set[str]) -> tuple[str, str]:
    """Return the site of a connection from `source` to `target`, and the end of it that is the peer.

    sites: of each address, '' outside of all; public: the addresses that may have a place.
    """
    if sites[source] or (not sites[target] and target in public):
        return sites[source], target
    # Incoming; or between two that have no place.
    return sites[target], source


def _add(connection: Connection, before: int, upto: int, sums: Sums) -> None:
    """Add counts of the connections with ids above `before` up to `upto`, unless another process has done so."""
    if not cursors.advance(connection, _CURSOR, before, upto):
        return
    totals: Counter[tuple[str, int, str, str]] = Counter()
    for (hour, site, code), number in sums.items():
        for span in _SPANS:
            totals[span, time_spans.start(span, hour), site, code] += number
    names = ("span", "start", "site", "country_code", "connections")
    rows = [dict(zip(names, (*key, number), strict=True)) for key, number in sorted(totals.items())]
    new = insert_into(connection, flow_counts)
    added = flow_counts.c.connections + new.excluded.connections
    if rows:
        connection.execute(new.on_conflict_do_update(index_elements=list(names[:4]), set_={"connections": added}), rows)
