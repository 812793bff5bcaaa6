"""Which hosts need a location, and what is known of one address."""

from collections.abc import Iterable, Sequence

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Join, and_, func, or_, select, update

from cobalt_tasks.core.catalog import GEOLOCATION
from cobalt_tasks.core.records import ACTIVE_STATES, Location, State
from cobalt_tasks.db import clocks
from cobalt_tasks.db.engine import database_now
from cobalt_tasks.db.tables import freshness, hosts, jobs, locations


class Needing(Struct, frozen=True, kw_only=True):
    """Which hosts need a location: those without one, and those located before `older_than` (epoch seconds), or by a
    local database built before `built`. `everything`: all of them.
    """

    older_than: float
    built: float | None = None
    everything: bool = False


class Candidate(Struct, frozen=True):
    """A host that needs a location. `is_located`: it has one, too old."""

    address: str
    is_located: bool


def count_candidates(connection: Connection, needing: Needing) -> int:
    """Count the hosts that need a location, as `needing` defines it."""
    return connection.execute(select(func.count()).select_from(_hosts()).where(_needs(needing))).scalar_one()


def candidates(connection: Connection, needing: Needing, after: str, limit: int) -> list[Candidate]:
    """Return one page of the hosts that need a location, in address order.

    Pages go by address and not by number, so that hosts which are located meanwhile do not make others be skipped.

    Args:
        connection: any connection.
        needing: which hosts.
        after: the last address of the page before, '' for the first page.
        limit: hosts in a page.

    """
    statement = (
        select(hosts.c.address, locations.c.address.is_not(None))
        .select_from(_hosts())
        .where(_needs(needing), hosts.c.address > after)
        .order_by(hosts.c.address)
        .limit(limit)
    )
    return [Candidate(*row) for row in connection.execute(statement)]


def ready(connection: Connection, addresses: Sequence[str] | None, limit: int) -> list[int]:
    """Return the ids of geolocation jobs that can be claimed now and wait for no quota.

    Args:
        connection: any connection.
        addresses: only their jobs; None for all.
        limit: the largest number of ids.

    """
    statement = (
        select(jobs.c.id)
        .where(
            jobs.c.kind == GEOLOCATION,
            jobs.c.state.in_([State.PENDING, State.SENT]),
            jobs.c.waits_for.is_(None),
            jobs.c.not_before <= database_now(),
        )
        .order_by(jobs.c.level, jobs.c.id)
        .limit(limit)
    )
    if addresses is not None:
        statement = statement.where(jobs.c.address.in_(addresses))
    return list(connection.execute(statement).scalars())


def unfinished(connection: Connection, addresses: Sequence[str] | None = None) -> int:
    """Count the geolocation jobs of `addresses` (None: of all) that are not final."""
    statement = select(func.count()).where(jobs.c.kind == GEOLOCATION, jobs.c.state.in_(ACTIVE_STATES))
    if addresses is not None:
        statement = statement.where(jobs.c.address.in_(addresses))
    return connection.execute(statement).scalar_one()


def known(connection: Connection, addresses: Sequence[str], *, only_fresh: bool = False) -> dict[str, Location]:
    """Return the locations of `addresses` in the ledger; `only_fresh`: without stale ones."""
    statement = select(locations).where(locations.c.address.in_(addresses))
    if only_fresh:
        is_mine = and_(freshness.c.kind == GEOLOCATION, freshness.c.address == locations.c.address)
        statement = statement.join(freshness, is_mine).where(freshness.c.fresh_until > clocks.estimate(connection))
    return {row["address"]: Location(**row) for row in connection.execute(statement).mappings()}


def last_outcomes(connection: Connection, addresses: Iterable[str]) -> dict[str, tuple[str, str | None]]:
    """Return the outcome and the detail of the latest geolocation job of each of `addresses`."""
    statement = (
        select(jobs.c.address, jobs.c.outcome, jobs.c.detail)
        .where(jobs.c.kind == GEOLOCATION, jobs.c.address.in_(list(addresses)), jobs.c.outcome.is_not(None))
        .order_by(jobs.c.id)
    )
    return {address: (outcome, detail) for address, outcome, detail in connection.execute(statement)}


def _hosts() -> Join:
    return hosts.outerjoin(locations, locations.c.address == hosts.c.address)


def _needs(needing: Needing) -> ColumnElement[bool]:
    reasons = [locations.c.address.is_(None), locations.c.fetched_at < needing.older_than]
    if needing.built is not None:
        reasons.append(locations.c.database_built < needing.built)
    if needing.everything:
        reasons.append(hosts.c.address.is_not(None))
    return or_(*reasons)


def expire_older(connection: Connection, built: float, after: str, limit: int) -> str | None:
    """Make one page of locations stale, as far as an older build of the local database made them.

    Args:
        connection: in a transaction that writes.
        built: build time of the present database, epoch seconds.
        after: the last address of the page before, '' for the first page.
        limit: locations in a page.

    Returns:
        The last address of the page; None at the end.

    """
    statement = (
        select(locations.c.address, locations.c.database_built)
        .where(locations.c.address > after)
        .order_by(locations.c.address)
        .limit(limit)
    )
    page = connection.execute(statement).all()
    older = [address for address, then in page if then is not None and then < built]
    if older:
        now = clocks.presumed(connection)
        is_fresh = and_(freshness.c.kind == GEOLOCATION, freshness.c.address.in_(older), freshness.c.fresh_until > now)
        connection.execute(update(freshness).where(is_fresh).values(fresh_until=now))
    return page[-1][0] if len(page) == limit else None
