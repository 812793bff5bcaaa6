"""Threat zones: places of hosts with a score above 0 that recent connections went to."""

from collections import defaultdict

from msgspec import Struct
from sqlalchemy import Connection, func, select

from cobalt_tasks.db import connection_ids
from cobalt_tasks.db.tables import locations, observations, scores
from cobalt_tasks.hosts import stats

_LOOKED_THROUGH = 20_000
_RADIUS_KM = 50
_ZONES = 10
_COUNTRIES_SHOWN = 3


class Zone(Struct, frozen=True, kw_only=True):
    """A cell of 0.1 by 0.1 degrees with connections to hosts with a score above 0.

    `threat_score` is the mean of those hosts' scores, weighted by connections; `countries` are the most frequent codes.
    """

    lat: float
    lon: float
    threat_score: float
    connection_count: int
    countries: tuple[str, ...]
    radius_km: int = _RADIUS_KM


def zones(connection: Connection, since: float, limit: int = _ZONES) -> list[Zone]:
    """Return up to `limit` zones of connections that arrived after `since` (epoch seconds), highest score first.

    A host without any finding makes no zone, one on the equator or the prime meridian does. At most the newest 20,000
    connections are looked at.
    """
    newest = connection.execute(select(func.max(observations.c.id))).scalar()
    # Counted by host before they are joined: there are far fewer hosts.
    is_recent = (
        observations.c.id > connection_ids.back(connection, newest, _LOOKED_THROUGH),
        observations.c.arrived_at > since,
    )
    peers = stats.peers_of(_LOOKED_THROUGH, *is_recent)
    north, east = func.round(locations.c.latitude * 10), func.round(locations.c.longitude * 10)
    total, count = func.sum(scores.c.score * peers.c.number), func.sum(peers.c.number)
    statement = (
        select(north, east, locations.c.country_code, total, count)
        .select_from(peers)
        .join(locations, locations.c.address == peers.c.dst_ip)
        .join(scores, scores.c.address == peers.c.dst_ip)
        .where(locations.c.latitude.is_not(None), scores.c.score > 0)
        .group_by(north, east, locations.c.country_code)
    )
    cells: dict[tuple[float, float], dict[str | None, tuple[float, int]]] = defaultdict(dict)
    for lat, lon, country, points, number in connection.execute(statement):
        # There is one equator: no -0.0.
        cells[lat / 10 + 0.0, lon / 10 + 0.0][country] = (points, int(number))
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
