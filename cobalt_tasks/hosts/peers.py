"""With whom a host talks, and on which days: counted over its newest connections, which an index finds at either end."""

from collections import Counter
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Connection, select

from cobalt_tasks.db.tables import observations
from cobalt_tasks.hosts import time_spans
from cobalt_tasks.hosts.queries import names_of

COUNTED: Final = 10_000
"""Connections that are counted at each end, the newest ones."""

_PEERS: Final = 50
_PORTS: Final = 5


class Peer(Struct, kw_only=True):
    """One peer of a host.

    Attributes:
        address: of the peer.
        sent: connections that the host opened to it.
        received: connections that it opened to the host.
        last: when the newest one arrived, epoch seconds.
        ports: the ports they went to most, at most 5.
        name: a name of the peer, None where it has none.

    """

    address: str
    sent: int = 0
    received: int = 0
    last: float = 0.0
    ports: list[int]
    name: str | None = None


class HostTraffic(Struct, frozen=True, kw_only=True):
    """The connections of a host.

    Attributes:
        connections: how many were counted; not `exact`: there are more, which are older.
        exact: whether these are all.
        peers: how many different ones there are, and the 50 with the most connections.
        days: (start of a day in UTC as epoch seconds, connections), the newest first.

    """

    connections: int
    exact: bool
    peers: int
    items: list[Peer]
    days: list[tuple[int, int]]


def of_host(connection: Connection, address: str) -> HostTraffic:
    """Count the newest connections of the host `address`, those it opened and those it received."""
    sent = _rows(connection, address, "src_ip", "dst_ip")
    received = _rows(connection, address, "dst_ip", "src_ip")
    peers: dict[str, Peer] = {}
    ports: dict[str, Counter[int]] = {}
    days: Counter[int] = Counter()
    for rows, way in ((sent, "sent"), (received, "received")):
        for row in rows:
            peer = peers.setdefault(row.peer, Peer(address=row.peer, ports=[]))
            setattr(peer, way, getattr(peer, way) + 1)
            peer.last = max(peer.last, row.arrived_at)
            ports.setdefault(row.peer, Counter())[row.dst_port] += 1
            days[time_spans.start("day", row.arrived_at)] += 1
    first = sorted(peers.values(), key=lambda each: (-each.sent - each.received, each.address))[:_PEERS]
    names = names_of(connection, [each.address for each in first], limit=1)
    for each in first:
        each.ports = [port for port, _ in ports[each.address].most_common(_PORTS)]
        each.name = next(iter(names.get(each.address, [])), None)
    return HostTraffic(
        connections=len(sent) + len(received),
        exact=max(len(sent), len(received)) < COUNTED,
        peers=len(peers),
        items=first,
        days=sorted(days.items(), reverse=True),
    )


def _rows(connection: Connection, address: str, own: str, other: str) -> list[Any]:
    """Return the newest connections at whose `own` end the host is: the address at the `other` end, port and arrival."""
    chosen = select(observations.c[other].label("peer"), observations.c.dst_port, observations.c.arrived_at)
    chosen = chosen.where(observations.c[own] == address)
    return list(connection.execute(chosen.order_by(observations.c.id.desc()).limit(COUNTED)))
