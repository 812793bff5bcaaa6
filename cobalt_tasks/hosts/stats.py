"""Figures about the whole ledger for the views: input, facts, jobs, providers.

Large tables are not counted here: their counts are kept (`db/counts.py`).
"""

from collections.abc import Sequence

from msgspec import Struct
from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Subquery,
    and_,
    case,
    distinct,
    func,
    select,
)

from cobalt_tasks.core.catalog import KINDS
from cobalt_tasks.core.kinds import Kind, Urgency
from cobalt_tasks.core.records import State
from cobalt_tasks.db import clocks, counts
from cobalt_tasks.db.engine import database_now
from cobalt_tasks.db.tables import (
    breakers,
    certificates,
    hostnames,
    hosts,
    is_in,
    jobs,
    locations,
    observations,
    ports,
    quotas,
    rejects,
    scores,
    sources,
)

_MOST_RECENT = 2_000_000
_THREAT = 0.5
"""Above which score a connection to a host is an active threat (CobaltGraph 0.1)."""


class SourceCounts(Struct, frozen=True, kw_only=True):
    """The ledger of one source: read = accepted + duplicates + rejected + ignored."""

    name: str
    generation: int
    format: str | None
    read: int
    accepted: int
    duplicates: int
    rejected: int
    ignored: int
    updated_at: float


class LedgerCounts(Struct, frozen=True, kw_only=True):
    """How much is known. `domains` are different names, on however many hosts."""

    connections: int
    hosts: int
    ports: int
    domains: int
    certificates: int


class Coverage(Struct, frozen=True, kw_only=True):
    """How many hosts have a location, of those that may have one."""

    hosts: int
    located: int
    coverage: float


class Throughput(Struct, frozen=True, kw_only=True):
    """Jobs of one kind started and finished within the last minute."""

    started: int
    finished: int


class ProviderState(Struct, frozen=True, kw_only=True):
    """What a geolocation provider still allows; while `open`, its circuit breaker keeps calls away from it.

    `remaining` and `resets_in` (seconds) are those of the tightest window, None for a provider without a quota.
    """

    remaining: int | None
    resets_in: float | None
    open: bool
    reason: str | None = None


class Traffic(Struct, frozen=True, kw_only=True):
    """What arrived within a window of time, counted exactly: connections, the countries of their far ends, and those whose
    far end has a score above a half.
    """

    connections: int
    countries: int
    threats: int


def now(connection: Connection) -> float:
    """Return the database's clock."""
    return float(connection.execute(select(database_now())).scalar_one())


def source_ledgers(connection: Connection, limit: int) -> list[SourceCounts]:
    """Return the ledgers of the `limit` sources that moved last, the latest first."""
    columns = [sources.c[name] for name in SourceCounts.__struct_fields__]
    latest = select(*columns).order_by(sources.c.updated_at.desc(), sources.c.id.desc()).limit(limit)
    return [SourceCounts(**row) for row in connection.execute(latest).mappings()]


def ledger_sum(connection: Connection) -> dict[str, int]:
    """Return the counters of all sources together, and how many sources there are."""
    names = ("read", "accepted", "duplicates", "rejected", "ignored")
    sums = select(func.count().label("sources"), *(func.coalesce(func.sum(sources.c[n]), 0).label(n) for n in names))
    return {name: int(value) for name, value in connection.execute(sums).mappings().one().items()}


def hosts_known(connection: Connection) -> int:
    """Return how many hosts the ledger has, from a count that is kept."""
    return counts.table_size(connection, hosts)


def totals(connection: Connection) -> LedgerCounts:
    """Count what is known."""
    names = select(hostnames.c.name).distinct().subquery()
    domains = select(func.count()).select_from(names).scalar_subquery()
    known = select(func.count()).select_from(certificates).scalar_subquery()
    is_closed = ports.c.closed_since.is_not(None), ports.c.unconfirmed_since.is_not(None)
    gone = select(func.count()).select_from(ports).where(*is_closed).scalar_subquery()
    row = connection.execute(select(domains, known, gone)).one()
    closed = row[2]
    return LedgerCounts(
        connections=counts.table_size(connection, observations),
        hosts=counts.table_size(connection, hosts),
        ports=counts.table_size(connection, ports) - closed,
        domains=row[0],
        certificates=row[1],
    )


def jobs_by_kind(connection: Connection) -> dict[str, dict[str, int]]:
    """Count the jobs of each kind in each state; all kinds and states of the catalog are present, with 0 if there are none."""
    counted = {kind.name: {state.value: 0 for state in State} for kind in KINDS}
    for (kind, state), number in counts.jobs_by_kind_and_state(connection).items():
        counted.setdefault(kind, {})[state] = number
    return counted


def oldest_waiting(connection: Connection) -> dict[str, float | None]:
    """Return for how many seconds the first job of each kind that is not started has been due, None when none waits."""
    return {kind.name: waiting_seconds(connection, kind) for kind in KINDS}


def waiting_seconds(connection: Connection, kind: Kind) -> float | None:
    """Return for how many seconds the first job of a `kind` that is not started has been due, None when none waits.

    Indexes answer this, whatever the backlog. Of a sent job the moment it was sent counts.
    """
    # The least of each level is one seek in the index of that state; the least of all of them would be a walk.
    firsts = [first.scalar_subquery() for level in map(kind.level, Urgency) for first in _first_due(kind.name, level)]
    clock, *due = connection.execute(select(database_now(), *firsts)).one()
    oldest = min((moment for moment in due if moment is not None), default=None)
    return None if oldest is None else max(0.0, clock - oldest)


def throughput(connection: Connection, seconds: float = 60.0) -> dict[str, Throughput]:
    """Count the jobs started and finished within the last `seconds`; only those rows are looked at."""
    since = now(connection) - seconds
    finished = (
        select(jobs.c.kind, func.count(), func.sum(case((jobs.c.started_at > since, 1), else_=0)))
        .where(jobs.c.finished_at > since)
        .group_by(jobs.c.kind)
    )
    running = (
        select(jobs.c.kind, func.count()).where(is_in(State.RUNNING), jobs.c.started_at > since).group_by(jobs.c.kind)
    )
    moved = {kind.name: [0, 0] for kind in KINDS}
    for kind, ended, begun in connection.execute(finished):
        moved.setdefault(kind, [0, 0])
        moved[kind][0] += int(begun)
        moved[kind][1] += ended
    for kind, begun in connection.execute(running):
        moved.setdefault(kind, [0, 0])[0] += begun
    return {kind: Throughput(started=started, finished=ended) for kind, (started, ended) in moved.items()}


def coverage(connection: Connection) -> Coverage:
    """Return how many hosts are located, of those that ever had geolocation work.

    An address that is not public gets no such work and does not count; a failed look-up does.
    """
    located_hosts = counts.located(connection)
    all_hosts = counts.covered(connection) + counts.unstarted(connection)
    share = located_hosts / all_hosts if all_hosts else 0.0
    return Coverage(hosts=all_hosts, located=located_hosts, coverage=share)


def countries(connection: Connection) -> int:
    """Count the countries hosts were located in: one seek in the index for each."""
    first = select(func.min(locations.c.country_code).label("code")).where(locations.c.country_code.is_not(None))
    codes = first.cte("codes", recursive=True)
    after = select(func.min(locations.c.country_code)).where(locations.c.country_code > codes.c.code).scalar_subquery()
    codes = codes.union_all(select(after).where(codes.c.code.is_not(None)))
    return int(connection.execute(select(func.count(codes.c.code))).scalar_one())


def providers(connection: Connection, names: Sequence[str]) -> dict[str, ProviderState]:
    """Return the quota and breaker of the providers with these `names` and of every other that has a row."""
    clock = clocks.estimate(connection)
    tightest: dict[str, tuple[int, float]] = {}
    for name, calls, used, resets_at in connection.execute(
        select(quotas.c.provider, quotas.c.calls, quotas.c.used, quotas.c.resets_at),
    ):
        remaining = calls if resets_at <= clock else max(0, calls - used)
        left = (remaining, max(0.0, resets_at - clock))
        tightest[name] = min(tightest.get(name, left), left)
    closed_doors = {
        name: (open_until > clock, reason)
        for name, open_until, reason in connection.execute(
            select(breakers.c.provider, breakers.c.open_until, breakers.c.reason),
        )
    }
    found = {}
    for name in dict.fromkeys((*names, *sorted(tightest), *sorted(closed_doors))):
        remaining, resets_in = tightest.get(name, (None, None))
        is_open, reason = closed_doors.get(name, (False, None))
        found[name] = ProviderState(
            remaining=remaining, resets_in=resets_in, open=is_open, reason=reason if is_open else None
        )
    return found


def last_input(connection: Connection) -> float | None:
    """Return when anything last came in from any source: a connection, a discovery, a heartbeat."""
    newest = connection.execute(select(func.max(sources.c.updated_at)).where(sources.c.read > 0)).scalar_one()
    arrived = connection.execute(select(func.max(observations.c.arrived_at))).scalar_one()
    return max((float(value) for value in (newest, arrived) if value is not None), default=None)


def peers_of(limit: int, *conditions: ColumnElement[bool]) -> Subquery:
    """Return (dst_ip, number) of the connections that meet the conditions; `limit`: connections that are counted at most."""
    # The limit has another use: without it, SQLite walks through the whole table in the order of the index of peers,
    # which suits the grouping, and asks the conditions of every row.
    found = select(observations.c.dst_ip).where(*conditions).limit(limit).subquery()
    return select(found.c.dst_ip, func.count().label("number")).group_by(found.c.dst_ip).subquery()


def traffic(connection: Connection, since: float) -> Traffic:
    """Count what has arrived after `since` (epoch seconds)."""
    peers = peers_of(_MOST_RECENT, observations.c.arrived_at > since)
    threats = func.sum(case((scores.c.score > _THREAT, peers.c.number), else_=0))
    found = (
        select(func.sum(peers.c.number), func.count(distinct(locations.c.country_code)), threats)
        .select_from(peers)
        .outerjoin(locations, locations.c.address == peers.c.dst_ip)
        .outerjoin(scores, scores.c.address == peers.c.dst_ip)
    )
    connections, seen, bad = connection.execute(found).one()
    return Traffic(connections=int(connections or 0), countries=seen, threats=int(bad or 0))


def last_rejects(connection: Connection, limit: int) -> list[dict[str, object]]:
    """Return the latest refused lines, `limit` at most: source, position, reason, arrived_at; not the lines themselves."""
    latest = (
        select(sources.c.name.label("source"), rejects.c.position, rejects.c.reason, rejects.c.arrived_at)
        .join(sources, and_(sources.c.id == rejects.c.source_id))
        .order_by(rejects.c.id.desc())
        .limit(limit)
    )
    return [dict(row) for row in connection.execute(latest).mappings()]


def _first_due(kind: str, level: int) -> list[Select[tuple[float | None]]]:
    due = select(func.min(jobs.c.not_before)).where(jobs.c.kind == kind, jobs.c.level == level, is_in(State.PENDING))
    sent = select(func.min(jobs.c.sent_at)).where(jobs.c.kind == kind, jobs.c.level == level, is_in(State.SENT))
    # One job that waits for a provider's quota stands for all of them: its index has the provider's name first.
    shared = select(func.min(jobs.c.not_before)).where(
        jobs.c.kind == kind, jobs.c.level == level, is_in(State.PENDING), jobs.c.waits_for.is_not(None)
    )
    return [due.where(jobs.c.waits_for.is_(None)), sent, shared]
