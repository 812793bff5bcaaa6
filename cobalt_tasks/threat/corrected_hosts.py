"""Hosts with a connection whose ends a better line corrected: what connections showed of them is found again.

The writer of the correction queues the hosts at all ends, old and new. Scoring reads their connections, the newest ones,
by the indexes of both ends.
"""

from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, select

from cobalt_tasks.db.bulk import among
from cobalt_tasks.db.tables import corrected_hosts, observations
from cobalt_tasks.threat import traffic
from cobalt_tasks.threat.findings import Finding
from cobalt_tasks.threat.rules import Rules

_CONNECTIONS: Final = 20_000
"""Connections that are looked through for each end of a host. Where a host has more, what was found earlier stays."""


class Corrected(NamedTuple):
    """Hosts to score: what their connections show now, and those of them of which every connection was looked through."""

    queued: Sequence[int]
    hosts: frozenset[str]
    found: Sequence[Finding]
    whole: frozenset[str]


def queue(connection: Connection, addresses: Collection[str]) -> None:
    """Note that the connections of the hosts at `addresses` were corrected."""
    if addresses:
        connection.execute(insert(corrected_hosts), [{"address": address} for address in sorted(addresses)])


def read(connection: Connection, rules: Rules, most: int) -> Corrected:
    """Return the next hosts of the queue, and what their connections show.

    connection: to the ledger; rules: the rules in force; most: entries of the queue at most.
    """
    chosen = select(corrected_hosts).order_by(corrected_hosts.c.id).limit(most)
    rows = connection.execute(chosen).all()
    found: list[Finding] = []
    whole = set()
    for address in sorted({row.address for row in rows}):
        to, all_to = _newest(connection, observations.c.dst_ip, address)
        by, all_by = _newest(connection, observations.c.src_ip, address)
        found += traffic.of_targets(connection, rules, to) + traffic.of_sources(connection, rules, by)
        if all_to and all_by:
            whole.add(address)
    hosts = frozenset(row.address for row in rows)
    return Corrected([row.id for row in rows], hosts, found, frozenset(whole))


def remove(connection: Connection, queued: Sequence[int]) -> None:
    """Remove entries of the queue; `queued` are their ids."""
    if queued:
        connection.execute(delete(corrected_hosts).where(among(connection, corrected_hosts.c.id, queued)))


def _newest(connection: Connection, end: Any, address: str) -> tuple[ColumnElement[bool], bool]:
    """Return the condition for the newest connections with `address` at an `end`, and whether these are all."""
    newest = select(observations.c.id).where(end == address).order_by(observations.c.id.desc())
    first = connection.execute(newest.offset(_CONNECTIONS).limit(1)).scalar()
    return and_(end == address, observations.c.id > func.coalesce(first, 0)), first is None
