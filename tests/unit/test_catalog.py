"""The catalog, and what is derived from it."""

import celeryconfig
from cobalt_tasks.core.catalog import CONTROL_QUEUE, KINDS, LEVELS, POOLS, Pool, Urgency
from cobalt_tasks.core.timeouts import (
    HARD_LIMIT_SECONDS,
    LEASE_SECONDS,
    RENEW_SECONDS,
    SOFT_LIMIT_SECONDS,
    VISIBILITY_SECONDS,
)


def test_the_steps_on_the_wire() -> None:
    """Interactive 0, ordinary 1 to 4, refresh 5 to 8, smallest first, and every one of them is known to Redis.

    Break: Kind.level, or priority_steps in celeryconfig.py.
    """
    ordinary = [kind.level(Urgency.ORDINARY) for kind in KINDS]
    refresh = [kind.level(Urgency.REFRESH) for kind in KINDS]
    assert (ordinary, refresh) == ([1, 2, 3, 4], [5, 6, 7, 8])
    assert {kind.level(Urgency.INTERACTIVE) for kind in KINDS} == {0}
    assert {0, *ordinary, *refresh} == set(LEVELS)
    assert celeryconfig.broker_transport_options["priority_steps"] == list(LEVELS)


def test_queues_and_routes_come_from_the_catalog() -> None:
    """A kind's queue and route exist without being written anywhere else, and no others do."""
    assert [queue.name for queue in celeryconfig.task_queues] == [CONTROL_QUEUE, *(kind.name for kind in KINDS)]
    for kind in KINDS:
        assert celeryconfig.task_routes[kind.task] == {"queue": kind.name}
    assert celeryconfig.task_create_missing_queues is False


def test_the_clocks_agree() -> None:
    """A lease outlives its renewals, a batch ends before Redis hands its message out again."""
    assert 2 * RENEW_SECONDS < LEASE_SECONDS
    assert SOFT_LIMIT_SECONDS < HARD_LIMIT_SECONDS
    assert VISIBILITY_SECONDS >= 3 * HARD_LIMIT_SECONDS


def test_every_queue_belongs_to_one_pool() -> None:
    """Pools come from the catalog: each kind's queue is in one of them, and control shares with none. Break: POOLS."""
    queues = sorted(queue for taken in POOLS.values() for queue in taken)
    assert queues == sorted([CONTROL_QUEUE, *(kind.name for kind in KINDS)])
    assert POOLS[CONTROL_QUEUE] == (CONTROL_QUEUE,)
    assert set(POOLS) == {CONTROL_QUEUE, *(pool.value for pool in Pool)}
