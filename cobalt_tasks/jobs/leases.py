"""Claims are held by renewing them; one that stands still is reaped.

A claim counts its renewals. The reaper remembers, by a clock that is never stepped, since when a count has not changed:
neither a step of the database's clock nor clocks that differ between hosts make it early or late. What it remembers is in
the ledger, so that every process on its host goes on with it; a reaper on another host starts anew, one lease later.
"""

from collections.abc import Sequence

from sqlalchemy import (
    Connection,
    Double,
    Text,
    and_,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)

from cobalt_tasks.core import clock
from cobalt_tasks.core.clock import Moment
from cobalt_tasks.core.records import State
from cobalt_tasks.db.bulk import insert_into, one_of
from cobalt_tasks.db.tables import is_in, jobs, leases
from cobalt_tasks.jobs import store


def renew(connection: Connection, tokens: Sequence[str], lease: float) -> int:
    """Renew claims for `lease` seconds; return how many jobs they still hold.

    tokens: of the claims.
    """
    held = and_(one_of(connection, jobs.c.claim, tokens), is_in(State.RUNNING))
    statement = update(jobs).where(held).values(lease=lease, renewals=jobs.c.renewals + 1)
    return connection.execute(statement).rowcount


def reap(connection: Connection, at: Moment | None = None) -> int:
    """Reap the claims that were not renewed for a whole lease; return how many jobs they held.

    `store.reap` describes what becomes of the jobs.

    Args:
        connection: a transaction that writes.
        at: the reading of the monotonic clock to go by; None for now.

    """
    at = at or clock.now()
    _watch(connection, at)
    stalled = select(leases.c.claim, leases.c.renewals).where(
        leases.c.clock == at.clock,
        leases.c.since <= at.seconds - leases.c.lease,
    )
    return sum(store.reap(connection, claim, renewals) for claim, renewals in connection.execute(stalled).all())


def _watch(connection: Connection, at: Moment) -> None:
    """Remember since when each claim has stood still, and forget those that have ended."""
    connection.execute(delete(leases).where(~exists().where(jobs.c.claim == leases.c.claim, is_in(State.RUNNING))))
    running = (
        select(
            literal(at.clock, Text()),
            jobs.c.claim,
            func.max(jobs.c.renewals),
            func.max(jobs.c.lease),
            literal(at.seconds, Double()),
        )
        .where(is_in(State.RUNNING), jobs.c.claim.is_not(None))
        .group_by(jobs.c.claim)
        .order_by(jobs.c.claim)
    )
    insert = insert_into(connection, leases).from_select(["clock", "claim", "renewals", "lease", "since"], running)
    statement = insert.on_conflict_do_update(
        index_elements=["claim", "clock"],
        set_={name: insert.excluded[name] for name in ("renewals", "lease", "since")},
        # A clock that went back after all is not to be waited for.
        where=or_(insert.excluded.renewals != leases.c.renewals, insert.excluded.since < leases.c.since),
    )
    connection.execute(statement)
