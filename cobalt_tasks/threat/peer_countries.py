"""Countries that hosts of an own network had no connection with before: each site and country is a change once.

What is found on the first day of a site is where it starts from, and no change.
"""

import time
from collections.abc import Iterable
from typing import Final

from sqlalchemy import Connection, or_, select

from cobalt_tasks.core.changes import Change, ChangeKind
from cobalt_tasks.core.durations import DAY
from cobalt_tasks.core.own_networks import OwnNetworks
from cobalt_tasks.db import cursors
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import locations, milestones, observations
from cobalt_tasks.hosts import changes
from cobalt_tasks.hosts.locations import countries
from cobalt_tasks.hosts.milestones import reach
from cobalt_tasks.threat import unscored

OBSERVED, LOCATED = "peer countries: observations", "peer countries: locations"
"""The cursors: the last observation, and when the last location was fetched."""

_OBSERVATIONS: Final = 20_000
_LOCATIONS: Final = 500
_CONNECTIONS: Final = 200
"""Connections that are looked at for one host that was located."""

_SETTLED_SECONDS: Final = 5.0

Pair = tuple[str, str]


def note(database: Database, own: OwnNetworks) -> int:
    """Record countries that are new to a site as changes, from new connections and locations; return how many.

    It is part of the upkeep round. database: the ledger; own: the own networks, nothing is done without any.
    """
    if not own.described:
        return 0
    return database.write(_note_observed, own) + database.write(_note_located, own)


def _note_observed(connection: Connection, own: OwnNetworks) -> int:
    after = cursors.position(connection, OBSERVED)
    ids = unscored.settled_observations(connection, after, _OBSERVATIONS)
    if ids.upto == after:
        return 0
    ends = observations.c.src_ip, observations.c.dst_ip
    pairs = connection.execute(select(*ends).distinct().where(unscored.within(ids)))
    found = _write(connection, _of_sites(own, (tuple(pair) for pair in pairs)))
    cursors.move(connection, OBSERVED, ids.upto)
    return found


def _note_located(connection: Connection, own: OwnNetworks) -> int:
    after = cursors.moment(connection, LOCATED)
    settled = locations.c.fetched_at < time.time() - _SETTLED_SECONDS
    chosen = select(locations.c.address, locations.c.fetched_at).where(
        locations.c.fetched_at > after, settled, locations.c.country_code.is_not(None)
    )
    rows = connection.execute(chosen.order_by(locations.c.fetched_at).limit(_LOCATIONS)).all()
    pairs: set[Pair] = set()
    for row in rows:
        ends = or_(observations.c.src_ip == row.address, observations.c.dst_ip == row.address)
        met = select(observations.c.src_ip, observations.c.dst_ip).where(ends).limit(_CONNECTIONS)
        pairs.update(tuple(pair) for pair in connection.execute(met))
    found = _write(connection, _of_sites(own, pairs))
    if rows:
        cursors.move_to_moment(connection, LOCATED, rows[-1].fetched_at)
    return found


def _of_sites(own: OwnNetworks, pairs: Iterable[Pair]) -> dict[Pair, None]:
    """Return each (site, peer) once; both ends in own networks is no peer."""
    found: dict[Pair, None] = {}
    for pair in pairs:
        sites = [own.of(address) for address in pair]
        for site, other, peer in ((sites[0], sites[1], pair[1]), (sites[1], sites[0], pair[0])):
            if site is not None and other is None:
                found[site.name, peer] = None
    return found


def _write(connection: Connection, found: dict[Pair, None]) -> int:
    """Write the countries that are new to a site, of (site, peer)."""
    peers = sorted({peer for _, peer in found})
    places = countries(connection, peers)
    kind, now = ChangeKind.PEER_COUNTRY_NEW, time.time()
    new = []
    for site, peer in sorted(found):
        place = places.get(peer)
        if place is None:
            continue
        reach(connection, kind, site, now)
        if reach(connection, kind, f"{site} {place.country_code}", now) and _is_settled(connection, site, now):
            where = f"{place.country_name or place.country_code}, from {site}"
            new.append(Change(kind=kind, address=peer, observed_at=now, new=where))
    changes.write(connection, new)
    return len(new)


def _is_settled(connection: Connection, site: str, now: float) -> bool:
    this = milestones.c.kind == ChangeKind.PEER_COUNTRY_NEW, milestones.c.subject == site
    since = connection.execute(select(milestones.c.noted_at).where(*this)).scalar()
    return since is not None and since < now - DAY
