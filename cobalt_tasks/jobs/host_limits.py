"""How many jobs may send packets to one host, and to one network, at a time: across all workers, by what is running.

The rows of running jobs are the count, so that nothing else has to be kept right when a worker is killed. A job that is due
while its host or network has enough of them is parked: it waits for that host (`waits_for`), holds no slot, and is
not due. The worker that ends a job there makes one of the parked ones due again; the sweep does so after a worker was lost.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Final

from msgspec import Struct
from sqlalchemy import Connection, func, select, text, update

from cobalt_tasks.core.catalog import KINDS
from cobalt_tasks.core.records import State
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db.bulk import among, unlocked
from cobalt_tasks.db.tables import is_in, jobs

_HOST, _NETWORK = "host ", "network "
"""What a value of `waits_for` starts with; a network is a /24 of IPv4 or a /48 of IPv6."""

FIRST_PARKED, BEHIND_PARKED = "host ", "networks"
"""Values of `waits_for` between which those of parked jobs lie, by any order of texts."""

_ACTIVE: Final = tuple(kind.name for kind in KINDS if kind.is_active)
_LOCK: Final = 0x0C0BA17
"""PostgreSQL's advisory lock of those who count and then claim."""

_KEYS_AT_ONCE: Final = 500
_LENGTH_48: Final = 80
"""Bits of an IPv6 address behind its /48."""


class Limits(Struct, frozen=True):
    """How many jobs that send packets to their targets may run at a time: for one address, and for one /24 or /48."""

    per_host: int = 8
    per_network: int = 256

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        """Return the limits that the user set."""
        return cls(settings.per_host, settings.per_network)


DEFAULT: Final = Limits()


class DueJob(Struct, frozen=True):
    """A job that could be claimed."""

    id: int
    address: str


class Choice(Struct):
    """What is to be done with candidates: claim, park under a value of `waits_for`, or leave since there is no room."""

    chosen: list[int]
    parked: dict[str, list[int]]
    left: list[int]


@lru_cache(4096)
def keys(address: str) -> tuple[str, str]:
    """Return the values of `waits_for` for the host at an address and for its network."""
    if ":" not in address:
        return _HOST + address, f"{_NETWORK}{address.rpartition('.')[0]}.0/24"
    network = int(IPv6Address(address.partition("%")[0])) >> _LENGTH_48 << _LENGTH_48
    return _HOST + address, f"{_NETWORK}{IPv6Address(network)}/48"


def count(connection: Connection) -> Counter[str]:
    """Return how many jobs that send packets run for each host and network.

    Until the end of the transaction no other process may count: two that count at once would both claim what is left.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    running = select(jobs.c.address).where(is_in(State.RUNNING), jobs.c.claim.is_not(None), jobs.c.kind.in_(_ACTIVE))
    return Counter(key for address in connection.execute(running).scalars() for key in keys(address))


def choose(candidates: Sequence[DueJob], room: int, counts: Counter[str], limits: Limits) -> Choice:
    """Choose among jobs at random, so that the ports of one host do not follow each other.

    Args:
        candidates: jobs of one level.
        room: the most to choose.
        counts: what runs for each host and network; those chosen are added.
        limits: the most that may run for each.

    """
    choice = Choice([], defaultdict(list), [])
    for each in random.sample(candidates, len(candidates)):
        host, network = keys(each.address)
        if len(choice.chosen) >= room:
            choice.left.append(each.id)
        elif counts[host] >= limits.per_host:
            choice.parked[host].append(each.id)
        elif counts[network] >= limits.per_network:
            choice.parked[network].append(each.id)
        else:
            choice.chosen.append(each.id)
            counts.update((host, network))
    return choice


def park(connection: Connection, parked: Mapping[str, Sequence[int]]) -> None:
    """Park jobs that have not started: they wait for their host or network.

    Args:
        connection: in a transaction that writes.
        parked: ids of jobs by the value of `waits_for`.

    """
    for key, ids in sorted(parked.items()):
        connection.execute(
            update(jobs)
            .where(among(connection, jobs.c.id, sorted(ids)), jobs.c.state.in_([State.PENDING, State.SENT]))
            .values(state=State.PENDING, waits_for=key)
        )


def unpark(connection: Connection, addresses: Iterable[str]) -> None:
    """Make parked jobs due again: one for each job that ended.

    Args:
        connection: in a transaction that writes.
        addresses: of the jobs that ended.

    """
    ended = Counter(key for address in addresses for key in keys(address))
    if not ended or not _is_any_parked(connection):
        return
    for key, number in sorted(ended.items()):
        _unpark(connection, key, number)


def unpark_forgotten(connection: Connection, limits: Limits) -> int:
    """Make parked jobs due again whose host or network has room, since the worker that made it was lost; return how many.

    Args:
        connection: in a transaction that writes.
        limits: the most that may run for each host and network.

    """
    if not _is_any_parked(connection):
        return 0
    counts = count(connection)
    found, key = 0, _HOST
    for _ in range(_KEYS_AT_ONCE):
        following = select(func.min(jobs.c.waits_for)).where(is_in(State.PENDING), jobs.c.waits_for > key)
        key = connection.execute(following).scalar() or ""
        if not key.startswith((_HOST, _NETWORK)):
            break
        most = limits.per_host if key.startswith(_HOST) else limits.per_network
        found += _unpark(connection, key, max(0, most - counts[key]))
    return found


def _is_any_parked(connection: Connection) -> bool:
    # From `host` on, so that jobs that wait for a provider's quota behind them are not read.
    first = select(func.min(jobs.c.waits_for)).where(is_in(State.PENDING), jobs.c.waits_for > _HOST)
    return str(connection.execute(first).scalar() or "").startswith((_HOST, _NETWORK))


def _unpark(connection: Connection, key: str, number: int) -> int:
    first = (
        select(jobs.c.id)
        .where(is_in(State.PENDING), jobs.c.waits_for == key)
        .order_by(jobs.c.level, jobs.c.not_before)
        .limit(number)
    )
    statement = update(jobs).where(jobs.c.id.in_(unlocked(first, jobs))).values(waits_for=None)
    return connection.execute(statement).rowcount if number else 0
