"""The newest banners, certificates and locations."""

from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, select

from cobalt_tasks.db.tables import banners, certificates, locations, ports, sightings

Row = dict[str, Any]


class RecentFacts(Struct, frozen=True, kw_only=True):
    """The newest facts, the newest first."""

    banners: list[Row]
    certificates: list[Row]
    locations: list[Row]


_LOOKED_THROUGH = 1000

_BANNER = ("address", "protocol", "port", "service", "product", "version", "banner", "last_seen")
_CERTIFICATE = ("subject", "issuer", "not_after", "self_signed", "names")
_LOCATION = (
    "address",
    "country_code",
    "country_name",
    "city",
    "latitude",
    "longitude",
    "asn",
    "organisation",
    "provider",
    "fetched_at",
)


def recent(connection: Connection, limit: int) -> RecentFacts:
    """Return up to `limit` facts of each sort."""
    return RecentFacts(
        banners=_recent_banners(connection, limit),
        certificates=_recent_certificates(connection, limit),
        locations=_recent_locations(connection, limit),
    )


def _recent_banners(connection: Connection, limit: int) -> list[Row]:
    newest = (
        select(banners.c.address, banners.c.protocol, banners.c.port)
        .order_by(banners.c.last_seen.desc())
        .limit(4 * limit)
        .subquery()
    )
    chosen = (
        select(*(ports.c[name] for name in _BANNER))
        .join(newest, _same_port(newest))
        .distinct()
        .order_by(ports.c.last_seen.desc(), ports.c.address, ports.c.port)
        .limit(limit)
    )
    return [dict(row) for row in connection.execute(chosen).mappings()]


def _same_port(newest: Any) -> Any:
    return (
        (newest.c.address == ports.c.address)
        & (newest.c.protocol == ports.c.protocol)
        & (newest.c.port == ports.c.port)
    )


def _recent_certificates(connection: Connection, limit: int) -> list[Row]:
    key = [sightings.c[name] for name in ("address", "protocol", "port", "last_seen", "fingerprint")]
    # One certificate of one port may have been seen by several sources.
    newest = select(*key).order_by(sightings.c.last_seen.desc()).limit(4 * limit).subquery()
    seen = [newest.c[name] for name in ("address", "protocol", "port", "last_seen")]
    chosen = (
        select(*seen, *(certificates.c[name] for name in _CERTIFICATE))
        .join(certificates, certificates.c.fingerprint == newest.c.fingerprint)
        .distinct()
        .order_by(newest.c.last_seen.desc())
        .limit(limit)
    )
    rows = connection.execute(chosen).mappings()
    return [{**row, "names": msgspec.json.decode(row["names"])} for row in rows]


def _recent_locations(connection: Connection, limit: int) -> list[Row]:
    # Of the newest only: there may be millions without a country behind each other.
    newest = select(*(locations.c[name] for name in _LOCATION)).order_by(locations.c.fetched_at.desc())
    known = newest.limit(_LOOKED_THROUGH).subquery()
    chosen = select(known).where(known.c.country_code.is_not(None))
    chosen = chosen.order_by(known.c.fetched_at.desc(), known.c.address).limit(limit)
    return [dict(row) for row in connection.execute(chosen).mappings()]
