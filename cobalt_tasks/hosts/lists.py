"""Which hosts a page shows, in which order: found without a walk through all hosts, whatever the filter.

A filter that many hosts match is answered by the first hosts of the order; one that few match, by the index of what it
asks for. Only what the first hosts do not answer is asked of the index.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Select, and_, case, false, func, literal, select, true, tuple_

from cobalt_tasks.db.tables import hosts, locations, ports, scores

_WALKED: Final = 5_000
"""Hosts of the order that are looked at before the indexes of a filter are."""

_COUNTED: Final = 10_000
"""Rows up to which two filters are compared by how many hosts match."""


class Filter(Struct, frozen=True, kw_only=True):
    """Which hosts: in a country (two letters), with a port, with a service."""

    country: str | None = None
    port: int | None = None
    service: str | None = None


EVERY = Filter()


class Order(StrEnum):
    """Which hosts come first: the last seen, or those with the highest score (hosts with score 0 are left out).

    The value is the column that pages are ordered by; hosts that are equal in it come by address.
    """

    LAST_SEEN = "last_seen"
    SCORE = "score"


class After(Struct, frozen=True):
    """Where the next page starts: behind this host, in the order of the pages. `mark` is what they are ordered by."""

    mark: float
    address: str


def find(connection: Connection, limit: int, only: Filter, order: Order, after: After | None) -> list[str]:
    """Return the addresses of up to `limit` hosts that match `only`, in `order`, behind `after` (None: from the first)."""
    address, mark = _ordered_by(order)
    ranked: Any = select(address.label("address"), mark.label("mark"))
    ranked = _behind(ranked, address, mark, after).order_by(mark.desc(), address.desc())
    if order is Order.SCORE:
        ranked = ranked.where(mark > 0)
    if not only.country and not _asks_for_ports(only):
        return list(connection.execute(ranked.where(_is_chosen(only, order, address)).limit(limit)).scalars())
    first = ranked.limit(_WALKED).subquery()
    chosen = select(first.c.address).where(_is_chosen(only, order, first.c.address))
    chosen = chosen.order_by(first.c.mark.desc(), first.c.address.desc()).limit(limit)
    found = list(connection.execute(chosen).scalars())
    if len(found) == limit:
        return found
    return list(connection.execute(_by_index(connection, limit, only, order, after)).scalars())


def _by_index(connection: Connection, limit: int, only: Filter, order: Order, after: After | None) -> Select[Any]:
    address, mark = _ordered_by(order)
    # An expression: for the column itself a planner would walk through the index of the order.
    plain: ColumnElement[Any] = mark.op("+")(literal(0))
    rarest, rest = _rarest(connection, only)
    chosen = select(address).where(address.in_(rarest), _is_chosen(rest, order, address))
    if order is Order.SCORE:
        chosen = chosen.where(mark > 0)
    return _behind(chosen, address, plain, after).order_by(plain.desc(), address.desc()).limit(limit)


def _ordered_by(order: Order) -> tuple[ColumnElement[str], ColumnElement[float]]:
    # Many hosts may have the same score, or be seen at one time: both columns go down, as one index has them.
    return (scores.c.address, scores.c.score) if order is Order.SCORE else (hosts.c.address, hosts.c.last_seen)


def _behind(
    chosen: Select[Any], address: ColumnElement[str], mark: ColumnElement[float], after: After | None
) -> Select[Any]:
    return chosen if after is None else chosen.where(tuple_(mark, address) < tuple_(after.mark, after.address))


def _matches(only: Filter, address: ColumnElement[str]) -> Sequence[ColumnElement[bool]]:
    """Return the conditions that a host matches, each by a seek for each; a join could be made by reading whole tables."""
    conditions: list[ColumnElement[bool]] = []
    if only.country:
        country = select(locations.c.country_code).where(locations.c.address == address).scalar_subquery()
        conditions.append(country == only.country)
    if _asks_for_ports(only):
        wanted = [*_of_ports(only), ports.c.address == address]
        conditions.append(select(ports.c.address).where(*wanted).limit(1).scalar_subquery() == address)
    return conditions


def _rarest(connection: Connection, only: Filter) -> tuple[Select[tuple[str]], Filter]:
    """Return (addresses, rest): a select of the hosts that match the rarer part of a filter, and the rest of it."""
    in_country = select(locations.c.address).where(locations.c.country_code == only.country)
    with_port = select(ports.c.address).where(*_of_ports(only))
    if not _asks_for_ports(only) or (only.country and _count(connection, in_country) <= _count(connection, with_port)):
        return in_country, Filter(port=only.port, service=only.service)
    return with_port, Filter(country=only.country)


def _count(connection: Connection, chosen: Select[tuple[str]]) -> int:
    few = chosen.limit(_COUNTED).subquery()
    return connection.execute(select(func.count()).select_from(few)).scalar_one()


def _is_chosen(only: Filter, order: Order, address: ColumnElement[str]) -> ColumnElement[bool]:
    """Return the condition that an address matches a filter, and is a host: some with a score were only looked up.

    Whether it is a host is asked last, which a planner would do first: the filter leaves few, and each costs a seek.
    """
    matches = and_(true(), *_matches(only, address))
    if order is not Order.SCORE:
        return matches
    is_host = select(hosts.c.address).where(hosts.c.address == address).scalar_subquery() == address
    return case((matches, is_host), else_=false())


def _asks_for_ports(only: Filter) -> bool:
    return only.port is not None or bool(only.service)


def _of_ports(only: Filter) -> list[ColumnElement[bool]]:
    port = [] if only.port is None else [ports.c.port == only.port]
    service = [ports.c.service == only.service] if only.service else []
    return [*port, *service, ports.c.closed_since.is_(None)]
