"""What a report holds: bounded lists, each with how many there are in all."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from cobalt_tasks.core import own_networks
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts import map_cells, stats
from cobalt_tasks.hosts.map_cells import Box
from cobalt_tasks.hosts.search import find
from cobalt_tasks.hosts.search.facets import Count, Facets
from cobalt_tasks.hosts.search.fields import Searchable
from cobalt_tasks.hosts.search.find import Search
from cobalt_tasks.hosts.search.orders import HostOrder
from cobalt_tasks.hosts.stats import SourceCounts
from cobalt_tasks.threat import store as findings
from cobalt_tasks.threat.findings import Finding
from cobalt_tasks.views import certificates, changes, search
from cobalt_tasks.views.changes import ChangeFilter

HOSTS: Final = 500
"""Hosts of the appendix."""

_RISKIEST: Final = 25
_REASONS: Final = 5
_CHANGES: Final = 200
_COUNTED_CHANGES: Final = 10_000
CERTIFICATES: Final = 50
"""Certificates of each sort that are listed."""

_SOURCES: Final = 50
_CELL: Final = 4
_FACETS: Final = ("country", "port", "service", "product")

Row = Mapping[str, Any]


class ReportQuery(Struct, frozen=True, kw_only=True):
    """What a report is about.

    Attributes:
        query: in the language of searches; '' for all hosts.
        since: changes recorded at this time (epoch seconds) or later.
        until: when the report is made.

    """

    query: str
    since: float
    until: float


class MapPlace(Struct, frozen=True):
    """Hosts near each other, in degrees; `site`: the name of an own site that stands there, or ''."""

    latitude: float
    longitude: float
    hosts: int
    site: str = ""


class Contents(Struct, frozen=True, kw_only=True):
    """Everything a report shows.

    Attributes:
        asked: what it is about.
        counts: the most frequent countries, ports, services and products of the hosts.
        total: how many hosts.
        kinds: how many changes of each kind.
        all_changes: whether these are all, and not the newest 10,000.
        changes: the newest.
        riskiest: hosts with the highest scores.
        reasons: of the riskiest hosts, their findings.
        expired: certificates in use that have expired.
        expiring: those that expire within 30 days.
        places: where the hosts are.
        hosts: the first ones of the appendix.
        scope: networks that may be probed; empty: what the user's scans reported.
        excluded: networks that never are.
        sources: the inputs that moved last.
        totals: records of all inputs.

    """

    asked: ReportQuery
    counts: Facets
    total: Count
    kinds: Sequence[tuple[str, int]]
    all_changes: bool
    changes: Sequence[Row]
    riskiest: Sequence[Row]
    reasons: Mapping[str, Sequence[Finding]]
    expired: Sequence[Row]
    expiring: Sequence[Row]
    places: Sequence[MapPlace]
    hosts: Sequence[Row]
    scope: Sequence[str]
    excluded: Sequence[str]
    sources: Sequence[SourceCounts]
    totals: Mapping[str, int]


def collect(database: Database, settings: Settings, asked: ReportQuery) -> Contents:
    """Return what a report shows.

    Args:
        database: the ledger.
        settings: for the scope and the own networks.
        asked: what it is about.

    Raises:
        SearchError: the query cannot be used.
        SearchTooLongError: a part of it took too long.

    """
    home = settings.home
    hosts = find.read(database, asked.query, Searchable.HOSTS, home)
    shown = search.page(database, hosts, HOSTS)["items"]
    riskiest = search.page(database, hosts, _RISKIEST, order=HostOrder.SCORE)["items"]
    changed = changes.found(database, ChangeFilter(since=asked.since, query=asked.query), home, _COUNTED_CHANGES)
    of_certificates = find.read(database, asked.query, Searchable.CERTIFICATES, home)
    with database.reading() as connection:
        reasons = findings.of_hosts(connection, [row["address"] for row in riskiest])
        sources = stats.source_ledgers(connection, _SOURCES)
        totals = stats.ledger_sum(connection)
    return Contents(
        asked=asked,
        counts=search.facets(database, hosts, _FACETS),
        total=_total(database, hosts),
        kinds=Counter(row["kind"] for row in changed).most_common(),
        all_changes=len(changed) < _COUNTED_CHANGES,
        changes=changed[:_CHANGES],
        riskiest=riskiest,
        reasons={address: found[:_REASONS] for address, found in reasons.items()},
        expired=_certificates(database, of_certificates, expired=True),
        expiring=_certificates(database, of_certificates, expired=False),
        places=_places(database, hosts, shown, home),
        hosts=shown,
        scope=settings.scope,
        excluded=settings.exclude,
        sources=sources,
        totals=totals,
    )


def _total(database: Database, asked: Search) -> Count:
    """Return how many hosts there are: of all the number that is kept, of others up to a bound.

    database: the ledger; asked: which hosts.
    """
    if not asked.is_everything:
        return search.count(database, asked)
    with database.reading() as connection:
        return Count(count=stats.hosts_known(connection), exact=True)


def _certificates(database: Database, asked: Search, *, expired: bool) -> list[Row]:
    """Return certificates in use.

    database: the ledger; asked: those that match; expired: those that have expired, else those that do within 30 days.
    """
    chosen = certificates.wanted(asked, expiring=None if expired else "30d", expired=expired)
    items: list[Row] = certificates.page(database, chosen, CERTIFICATES)["items"]
    return items


def _places(database: Database, asked: Search, shown: Sequence[Row], home: Path) -> list[MapPlace]:
    """Return where hosts are, and the own sites.

    database: the ledger; asked: which hosts; shown: the first ones of them; home: the folder of networks.toml.
    """
    if asked.is_everything:
        with database.reading() as connection:
            clusters = map_cells.clusters(connection, Box(), _CELL).clusters
        found = [MapPlace(each.latitude, each.longitude, each.hosts) for each in clusters]
    else:
        located = (row for row in shown if row["latitude"] is not None and row["longitude"] is not None)
        near = Counter((round(row["latitude"]), round(row["longitude"])) for row in located)
        found = [MapPlace(latitude, longitude, hosts) for (latitude, longitude), hosts in near.items()]
    sites = {
        (each.name, each.latitude, each.longitude)
        for each in own_networks.load(home).described.values()
        if each.latitude is not None and each.longitude is not None
    }
    return [*found, *(MapPlace(latitude, longitude, 0, name) for name, latitude, longitude in sorted(sites))]
