"""What one claim takes when many jobs of one host or network are due before the others, on both databases."""

from collections import Counter

import pytest
from sqlalchemy import select

from cobalt_tasks.core.records import NewJob, State
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import jobs
from cobalt_tasks.jobs import claims, creation, host_limits, store
from cobalt_tasks.jobs.claims import ClaimTerms
from cobalt_tasks.jobs.host_limits import Limits

LEASE = 15.0
BUSY = "192.0.2.1"


def terms(kind: str = "banner") -> ClaimTerms:
    """Return terms that let two jobs of one host run at a time."""
    return ClaimTerms(kind=kind, lease=LEASE, limits=Limits(per_host=2, per_network=1000))


def make(database: Database, *addresses: str, ports: int = 1) -> None:
    """Make banner jobs for ports of hosts; those made first are due first."""
    for address in addresses:
        new = [NewJob(kind="banner", address=address, protocol="tcp", port=port) for port in range(1, ports + 1)]
        database.write(creation.create, new)


def parked(database: Database) -> Counter[str]:
    """Count the jobs that wait for a host or network, by it."""
    with database.reading() as connection:
        waiting = select(jobs.c.waits_for).where(jobs.c.state == State.PENDING, jobs.c.waits_for.is_not(None))
        return Counter(connection.execute(waiting).scalars())


def test_ports_of_one_host_at_the_head_do_not_keep_others_back(database: Database) -> None:
    """They are parked, and the claim looks on until it is full.

    Break: the rounds of `claim_next`.
    """
    make(database, BUSY, ports=60)
    make(database, *(f"192.0.2.{n}" for n in range(2, 10)))
    claim = database.write(claims.claim_next, terms(), 10, [1])
    assert Counter(each.address for each in claim.jobs) == {BUSY: 2, **{f"192.0.2.{n}": 1 for n in range(2, 10)}}
    assert set(parked(database)) <= {f"host {BUSY}"}


def test_a_claim_looks_at_a_level_a_limited_number_of_times(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With more jobs of one host before the others than it looks at, the next claim goes on behind them.

    Break: the bound `_ROUNDS` of `claim_next`.
    """
    monkeypatch.setattr(claims, "_ROUNDS", 2)
    make(database, BUSY, ports=60)
    make(database, "192.0.2.2")
    first = database.write(claims.claim_next, terms(), 5, [1])
    assert [each.address for each in first.jobs] == [BUSY, BUSY]
    assert sum(parked(database).values()) < 58
    found: list[str] = []
    for _ in range(10):
        found += [each.address for each in database.write(claims.claim_next, terms(), 5, [1]).jobs]
    assert found == ["192.0.2.2"]


def test_without_room_nothing_is_claimed(database: Database) -> None:
    """Jobs that a message named stay due, and so do those that are next."""
    make(database, BUSY)
    sent = [each.id for each in database.write(store.mark_sent, "banner", 1, 10)]
    assert database.write(claims.claim_next, terms(), 0, [1]).jobs == []
    assert database.write(claims.claim_named, terms(), sent, 0).jobs == []
    with database.reading() as connection:
        assert connection.execute(select(jobs.c.state)).scalars().all() == [State.PENDING]


def test_jobs_of_many_lost_hosts_come_back_in_several_rounds(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A round of the upkeep looks at a limited number of hosts; those it did not reach are parked until another.

    Break: the bound `_KEYS_AT_ONCE` of `unpark_forgotten`.
    """
    monkeypatch.setattr(host_limits, "_KEYS_AT_ONCE", 3)
    make(database, *(f"192.0.2.{n}" for n in range(1, 6)))
    with database.writing() as connection:
        for row in connection.execute(select(jobs.c.id, jobs.c.address)).all():
            host_limits.park(connection, {host_limits.keys(row.address)[0]: [row.id]})
    assert sum(parked(database).values()) == 5
    assert [database.write(host_limits.unpark_forgotten, Limits()) for _ in range(3)] == [3, 2, 0]
    assert not parked(database)


@pytest.mark.parametrize("most", [1, 2])
def test_nothing_is_refreshed_while_many_jobs_of_the_kind_wait(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """They would wait behind those. Break: `_MOST_ACTIVE` of `creation.refresh`."""
    monkeypatch.setattr(creation, "_MOST_ACTIVE", most)
    make(sqlite_database, BUSY)
    asked: list[str] = []
    stale = creation.freshness.stale
    monkeypatch.setattr(creation.freshness, "stale", lambda *given: asked.append(given[0]) or stale(*given))
    assert sqlite_database.write(creation.refresh, "banner", 10) == 0
    assert asked == ([] if most == 1 else ["banner"])
