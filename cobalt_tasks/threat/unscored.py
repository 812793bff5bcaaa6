"""What scoring has not read yet: observations by id, ended jobs by time, changed hosts in a queue; and how far it is behind.

Each step reads a bounded span of each. Within a span the rows are grouped before they are joined, so that a span costs the
same however many hosts and ports the ledger has.
"""

from collections.abc import Collection, Sequence

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, select

from cobalt_tasks.db import connection_ids, cursors
from cobalt_tasks.db.bulk import among
from cobalt_tasks.db.engine import database_now, statement_now
from cobalt_tasks.db.tables import jobs, observations, unscored_hosts

OBSERVED, ENDED = "findings: observations", "findings: jobs"
"""The cursors of scoring: the last observation, and the end of the last job."""

_SETTLED_SECONDS = 5.0
"""Younger rows are read later: a row that is committed late may still get a smaller id."""


class Span(Struct, frozen=True, kw_only=True):
    """Observations by their ids: those above one, up to another."""

    above: int
    upto: int


class Lag(Struct, frozen=True, kw_only=True):
    """How far scoring is behind.

    `observations`: how many, by their ids: an upper bound where ids have gaps. `seconds`: for how long the oldest of them,
    or of the jobs that ended, has waited; 0 if none waits.
    """

    observations: int
    seconds: float


def lag(connection: Connection) -> Lag:
    """Return how far scoring is behind: a few seeks, whatever the backlog."""
    read, ended = cursors.position(connection, OBSERVED), cursors.moment(connection, ENDED)
    newest = select(func.max(observations.c.id)).scalar_subquery()
    first = select(observations.c.arrived_at).where(observations.c.id > read).order_by(observations.c.id).limit(1)
    job = select(func.min(jobs.c.finished_at)).where(jobs.c.finished_at > ended)
    host = select(unscored_hosts.c.queued_at).order_by(unscored_hosts.c.id).limit(1)
    found = select(database_now(), newest, *(oldest.scalar_subquery() for oldest in (first, job, host)))
    clock, last, arrived, *others = connection.execute(found).one()
    waiting = [moment for moment in (arrived, *others) if moment is not None]
    return Lag(
        observations=0 if arrived is None else connection_ids.distance(connection, read, last),
        seconds=max(0.0, clock - min(waiting)) if waiting else 0.0,
    )


def last_settled(connection: Connection) -> int:
    """Return the id of the newest observation that may be read now, 0 if there is no such row."""
    statement = (
        select(observations.c.id)
        .where(observations.c.arrived_at < statement_now() - _SETTLED_SECONDS)
        .order_by(observations.c.id.desc())
        .limit(1)
    )
    return connection.execute(statement).scalar() or 0


def settled_observations(connection: Connection, above: int, most: int, age: float = _SETTLED_SECONDS) -> Span:
    """Return which observations may be read now.

    Args:
        connection: to the ledger.
        above: only those with greater ids.
        most: ids at most.
        age: only those that arrived so many seconds ago or earlier.

    """
    first = connection.execute(select(func.min(observations.c.id)).where(observations.c.id > above)).scalar()
    if first is None:
        return Span(above=above, upto=above)
    upto = select(func.max(observations.c.id)).where(
        observations.c.id >= first,
        observations.c.id < first + most,
        observations.c.arrived_at < statement_now() - age,
    )
    return Span(above=above, upto=connection.execute(upto).scalar() or above)


def hosts(connection: Connection, ids: Span) -> set[str]:
    """Return the hosts at both ends of the connections `ids`."""
    ends = (observations.c.src_ip, observations.c.dst_ip)
    return {
        address for end in ends for address in connection.execute(select(end).distinct().where(within(ids))).scalars()
    }


def settled_jobs(connection: Connection, after: float, most: int) -> tuple[float, set[str]]:
    """Return (until, addresses): the hosts whose jobs ended after `after` and no later than `until`.

    `after`, `until`: epoch seconds that a cursor holds exactly. About `most` jobs are read; jobs of one batch end at one
    time, and are read together.
    """
    settled = statement_now() - _SETTLED_SECONDS
    statement = (
        select(jobs.c.finished_at, jobs.c.address)
        .where(jobs.c.finished_at > after, jobs.c.finished_at < settled)
        .order_by(jobs.c.finished_at)
        .limit(most)
    )
    rows = connection.execute(statement).all()
    if not rows:
        return after, set()
    last = rows[-1][0]
    until = cursors.storable(last)
    rest = select(jobs.c.address).where(jobs.c.finished_at >= last, jobs.c.finished_at <= until)
    return until, {row[1] for row in rows} | set(connection.execute(rest).scalars())


def queue(connection: Connection, addresses: Collection[str]) -> None:
    """Queue the hosts at `addresses`, of which something changed that no job of theirs will end with."""
    if addresses:
        now = connection.execute(select(database_now())).scalar_one()
        rows = [{"address": address, "queued_at": now} for address in sorted(addresses)]
        connection.execute(insert(unscored_hosts), rows)


def queued(connection: Connection, most: int) -> tuple[Sequence[int], set[str]]:
    """Return the ids of up to `most` entries of the queue, the first ones, and their hosts."""
    chosen = select(unscored_hosts.c.id, unscored_hosts.c.address).order_by(unscored_hosts.c.id).limit(most)
    rows = connection.execute(chosen).all()
    return [row.id for row in rows], {row.address for row in rows}


def remove(connection: Connection, ids: Sequence[int]) -> None:
    """Remove the entries `ids` of the queue."""
    if ids:
        connection.execute(delete(unscored_hosts).where(among(connection, unscored_hosts.c.id, ids)))


def within(ids: Span) -> ColumnElement[bool]:
    """Return the condition that an observation is one of `ids`."""
    return and_(observations.c.id > ids.above, observations.c.id <= ids.upto)
