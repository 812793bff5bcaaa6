"""What the overview shows beside the status: the map, traffic over time, and short lists, each from kept counts or an index."""

import time
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal

from msgspec import Struct

from cobalt_tasks.core import own_networks
from cobalt_tasks.core.durations import DAY
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts import changes, flows, map_cells, queries, traffic_counts
from cobalt_tasks.hosts.lists import Order
from cobalt_tasks.hosts.map_cells import Box, Cluster
from cobalt_tasks.hosts.queries import EVERY
from cobalt_tasks.hosts.search import find
from cobalt_tasks.hosts.search.fields import Searchable
from cobalt_tasks.threat import store as findings
from cobalt_tasks.views import certificates, search
from cobalt_tasks.views.changes import ChangeFilter
from cobalt_tasks.views.changes import page as page_of_changes

COUNTED_CHANGES: Final = 10_000
"""Changes up to which their number is exact."""

_LISTED: Final = 5
_REASONS: Final = 3
_COUNTRIES: Final = 12
_FLOWS: Final = 100
_WIDEST: Final = 64
"""A cluster's width in cells at zoom 0; each level halves it."""


By = Literal["protocol", "country", "site"]
"""What connections over time are counted by."""


class Site(Struct, frozen=True, kw_only=True):
    """An own site: its networks, and where it is."""

    name: str
    networks: list[str]
    latitude: float | None
    longitude: float | None


class FlowLine(Struct, frozen=True, kw_only=True):
    """Connections between a site and a country, and where hosts of the country are in the mean."""

    site: str
    country: str
    connections: int
    latitude: float | None
    longitude: float | None


class Map(Struct, frozen=True, kw_only=True):
    """The answer of /api/map.

    `hosts`: in the part that was asked, also those whose cluster is not listed; `unplaced`: hosts of which the country is
    known, and no coordinates. `counted_at`: when the hosts were counted, null for just now.
    """

    clusters: list[Cluster]
    hosts: int
    is_counted: bool
    counted_at: float | None
    sites: list[Site]
    flows: list[FlowLine]
    flows_since: float
    unplaced: int


class CountedSpan(Struct, frozen=True, kw_only=True):
    """Connections of one minute, hour or day from `start` (epoch seconds), by protocol."""

    start: int
    connections: int
    protocols: dict[str, int]


class FlowSpan(Struct, frozen=True, kw_only=True):
    """Connections of one hour or day from `start` (epoch seconds) by what was asked for: country, or site."""

    start: int
    values: dict[str, int]


class TrafficHistory(Struct, frozen=True, kw_only=True):
    """The answer of /api/traffic: spans without connections are left out. `by` has the sums of the whole time, the largest first."""

    span: str
    since: float
    until: float
    spans: list[CountedSpan] | list[FlowSpan]
    by: dict[str, int]


def world(database: Database, home: Path, box: Box, zoom: int, hours: float) -> Map:
    """Return the map.

    Args:
        database: the ledger.
        home: the folder of networks.toml.
        box: the part of the world whose hosts are wanted; sites and flows are returned whatever it is.
        zoom: from 0 for clusters of 11 degrees to 6 for the smallest; each level halves them.
        hours: of how many hours up to now the connections of flows are.

    """
    own = own_networks.load(home)
    since = time.time() - hours * 3600
    with database.reading() as connection:
        places = map_cells.clusters(connection, box, max(1, _WIDEST >> zoom))
        countries = map_cells.countries(connection)
        found = flows.largest(connection, _span_of(hours), since, time.time(), _FLOWS)
        unplaced = map_cells.unplaced(connection)
    return Map(
        clusters=places.clusters,
        hosts=places.hosts,
        is_counted=places.is_counted,
        counted_at=places.counted_at,
        sites=_sites(own),
        flows=[
            FlowLine(
                site=each.site,
                country=each.country,
                connections=each.connections,
                latitude=place[1],
                longitude=place[2],
            )
            for each in found
            if each.country != flows.INSIDE
            for place in [countries.get(each.country, (0, None, None))]
        ],
        flows_since=since,
        unplaced=unplaced,
    )


def traffic(database: Database, span: str, since: float, until: float, by: By) -> TrafficHistory:
    """Return the connections of each span of a time.

    Args:
        database: the ledger.
        span: "minute" (of the last two days), "hour" or "day".
        since: epoch seconds; the span that this lies in is the first.
        until: epoch seconds; the span that this lies in is the last.
        by: "protocol", "country" or "site"; the latter two by hour (of the last month) or day.

    """
    sums: Counter[str] = Counter()
    starts: dict[int, Counter[str]] = {}
    with database.reading() as connection:
        rows = (
            traffic_counts.find(connection, span, since, until)
            if by == "protocol"
            else flows.over_time(connection, by, span, since, until)
        )
        for start, name, number in rows:
            starts.setdefault(start, Counter())[name] += number
            sums[name] += number
    return TrafficHistory(
        span=span,
        since=since,
        until=until,
        spans=[
            CountedSpan(start=start, connections=each.total(), protocols=dict(each)) for start, each in starts.items()
        ]
        if by == "protocol"
        else [FlowSpan(start=start, values=dict(each)) for start, each in starts.items()],
        by=dict(sums.most_common()),
    )


def short_lists(database: Database, home: Path, hours: float) -> dict[str, Any]:
    """Return the short lists of the overview: countries, riskiest hosts, changes, certificates.

    Args:
        database: the ledger.
        home: the folder of networks.toml.
        hours: of how many hours up to now.

    """
    now = time.time()
    since = now - hours * 3600
    return {
        "since": since,
        "until": now,
        "countries": _countries(database, home, hours, now),
        "riskiest": _riskiest(database),
        "changes": _changes(database, home, since),
        "certificates": _certificates(database, home),
    }


def _countries(database: Database, home: Path, hours: float, now: float) -> dict[str, Any]:
    """Return the countries with most hosts, with the connections of these hours, and how many hosts have a country."""
    everything = find.read(database, "", Searchable.HOSTS, home)
    counted = search.facets(database, everything, ["country"])
    with database.reading() as connection:
        met = flows.by_country(connection, _span_of(hours), now - hours * 3600, now)
    by_hosts = {each.value.upper(): each.count for each in counted.facets["country"]}
    codes = list(dict.fromkeys([*islice(by_hosts, _COUNTRIES), *(code for code, _ in met.most_common(_COUNTRIES))]))
    return {
        "exact": counted.total.exact,
        "counted_at": counted.counted_at,
        "items": [
            {"country": code, "hosts": by_hosts.get(code), "connections": met[code]}
            for code in codes
            if code not in {flows.INSIDE, flows.UNKNOWN}
        ][:_COUNTRIES],
        "unknown_connections": met[flows.UNKNOWN],
        "inside_connections": met[flows.INSIDE],
    }


def _riskiest(database: Database) -> list[dict[str, Any]]:
    """Return the hosts with the highest scores, each with the weightiest reasons."""
    with database.reading() as connection:
        rows = queries.page(connection, _LISTED, only=EVERY, order=Order.SCORE)
        reasons = findings.of_hosts(connection, [row["address"] for row in rows])
    shown = ("address", "score", "country_code", "country_name", "organisation", "names")
    return [
        {
            **{name: row[name] for name in shown},
            "reasons": [
                {"rule": each.rule, "detail": each.detail[:200], "points": each.points}
                for each in reasons.get(row["address"], [])[:_REASONS]
            ],
            "findings": len(reasons.get(row["address"], [])),
        }
        for row in rows
    ]


def _changes(database: Database, home: Path, since: float) -> dict[str, Any]:
    """Return how many changes of each kind were recorded since, up to a bound, and the newest of them."""
    with database.reading() as connection:
        kinds = changes.kinds_since(connection, since, COUNTED_CHANGES + 1)
    page = page_of_changes(database, _LISTED, ChangeFilter(since=since), home)
    shown = ("id", "kind", "address", "port", "protocol", "observed_at", "recorded_at", "text")
    total = sum(kinds.values())
    return {
        "total": min(total, COUNTED_CHANGES),
        "exact": total <= COUNTED_CHANGES,
        "kinds": [{"kind": kind, "count": number} for kind, number in sorted(kinds.items(), key=lambda each: -each[1])],
        "newest": [{name: row[name] for name in shown} for row in page["items"]],
    }


def _certificates(database: Database, home: Path) -> list[dict[str, Any]]:
    """Return the certificates in use that expire within 30 days, those that expire first at the front."""
    everything = find.read(database, "", Searchable.CERTIFICATES, home)
    page = certificates.page(database, certificates.wanted(everything, expiring="30d", expired=False), _LISTED)
    return [_certificate(row) for row in page["items"]]


def _certificate(row: dict[str, Any]) -> dict[str, Any]:
    shown = [each for each in row["ports"] if each["replaced_by"] is None and not each["closed"]]
    ports = [{name: each[name] for name in ("address", "port", "protocol")} for each in shown[:3]]
    kept = {name: row[name] for name in ("fingerprint", "subject", "not_after", "state")}
    return {**kept, "names": row["names"][:5], "ports": ports, "more_ports": max(0, len(shown) - 3)}


def _sites(own: own_networks.OwnNetworks) -> list[Site]:
    """Return each site once, at the first place that one of its networks has."""
    networks: dict[str, list[str]] = {}
    places: dict[str, own_networks.Description] = {}
    for network, description in own.described.items():
        networks.setdefault(description.name, []).append(str(network))
        if places.setdefault(description.name, description).latitude is None:
            places[description.name] = description
    return [
        Site(name=name, networks=networks[name], latitude=place.latitude, longitude=place.longitude)
        for name, place in places.items()
    ]


def _span_of(hours: float) -> str:
    """Return the span whose counts are added up for a time: hours are kept for a month."""
    return "hour" if hours * 3600 < flows.HOURS_KEPT_SECONDS - DAY else "day"
