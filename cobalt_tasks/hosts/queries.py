"""Hosts for the views: pages of hosts, and one host in full."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, func, select

from cobalt_tasks.db.bulk import one_of
from cobalt_tasks.db.tables import hostnames, hosts, locations, ports, scores
from cobalt_tasks.hosts import lists as host_lists
from cobalt_tasks.hosts.lists import EVERY, After, Filter, Order

__all__ = ["EVERY", "LOCATION", "After", "Filter", "Order", "Row", "names_of", "one", "page"]

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


def page(
    connection: Connection,
    limit: int,
    *,
    only: Filter = EVERY,
    order: Order = Order.LAST_SEEN,
    after: After | None = None,
) -> list[Row]:
    """Return hosts in an order: score (None: not made yet), location, names, ports with their services.

    A host shows at most 20 names and 50 ports here; host_parts has more. `limit`: hosts at most; `only`: which; `after`:
    the last host of the page before, None for the first page.
    """
    return rows_of(connection, host_lists.find(connection, limit, only, order, after))


def rows_of(connection: Connection, addresses: Sequence[str]) -> list[Row]:
    """Return what a list shows of hosts, in the order of `addresses`; unknown ones are left out."""
    chosen = (
        select(*_listed())
        .select_from(hosts)
        .outerjoin(scores, scores.c.address == hosts.c.address)
        .outerjoin(locations, locations.c.address == hosts.c.address)
        .where(one_of(connection, hosts.c.address, addresses))
    )
    rows = {row["address"]: dict(row) for row in connection.execute(chosen).mappings()}
    found = [rows[address] for address in addresses if address in rows]
    _add_names_and_ports(connection, found)
    return found


def has_hosts(connection: Connection) -> bool:
    """Return whether the ledger knows any host."""
    return connection.execute(select(hosts.c.address).limit(1)).first() is not None


def has_scores(connection: Connection) -> bool:
    """Return whether any host was scored."""
    return connection.execute(select(scores.c.address).limit(1)).first() is not None


def one(connection: Connection, address: str) -> Row | None:
    """Return what is known about one `address`, or None: score and location; its lists are in host_parts."""
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
    sources = row["location_sources"]
    return {**row, "location_sources": msgspec.json.decode(sources) if sources else None}


def names_of(connection: Connection, addresses: Sequence[str], limit: int = _NAMES_SHOWN) -> dict[str, list[str]]:
    """Return up to `limit` names of each of `addresses`, confirmed names first, then PTR names."""
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
        .where(one_of(connection, hostnames.c.address, addresses))
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


def _listed() -> list[ColumnElement[Any]]:
    seen = [hosts.c[name] for name in ("address", "first_seen", "last_seen", "discovered")]
    return [*seen, scores.c.score, *_location()]


def _location() -> list[ColumnElement[Any]]:
    return [locations.c[name] for name in LOCATION]


def _add_names_and_ports(connection: Connection, found: list[Row]) -> None:
    addresses = [row["address"] for row in found]
    names = names_of(connection, addresses)
    rank = func.row_number().over(partition_by=ports.c.address, order_by=(ports.c.port, ports.c.protocol))
    columns = [ports.c[name] for name in ("address", "protocol", "port", "service", "product", "version")]
    is_open = ports.c.closed_since.is_(None)
    ranked = (
        select(*columns, rank.label("rank")).where(one_of(connection, ports.c.address, addresses), is_open).subquery()
    )
    services: dict[str, list[Row]] = {}
    for row in connection.execute(
        select(ranked).where(ranked.c.rank <= _PORTS_SHOWN).order_by(ranked.c.address, ranked.c.rank),
    ).mappings():
        shown = {name: row[name] for name in ("protocol", "port", "service", "product", "version")}
        services.setdefault(row["address"], []).append(shown)
    for host in found:
        host["names"] = names.get(host["address"], [])
        host["ports"] = services.get(host["address"], [])
