"""The catalog, and what is derived from it."""

from typing import Any

import pytest

import celeryconfig
from cobalt_tasks.core import catalog
from cobalt_tasks.core.catalog import KINDS, LEVELS, POOLS
from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.core.kinds import CONTROL_QUEUE, Disclosure, Kind, Origin, Pool, Unit, Urgency
from cobalt_tasks.core.records import Facts, Hostname, Job, Outcome, Verdict
from cobalt_tasks.core.timeouts import (
    HARD_LIMIT_SECONDS,
    LEASE_SECONDS,
    RENEW_SECONDS,
    SOFT_LIMIT_SECONDS,
    VISIBILITY_SECONDS,
)
from workers import runners


def a_kind(**parts: Any) -> Kind:
    """A kind that can be used, with some parts replaced."""
    usable: dict[str, Any] = {
        "name": "whois",
        "priority": 4,
        "unit": Unit.HOST,
        "pool": Pool.NETWORK,
        "discloses_to": Disclosure.SERVICE,
        "origins": frozenset({Origin.HOST}),
        "runner": "workers.probes.domain:probe",
        "facts": frozenset({"hostnames"}),
        "fresh_for": 60.0,
        "pause": 0.0,
    }
    return Kind(**{**usable, **parts})


def test_the_levels_on_the_wire() -> None:
    """Interactive 0, ordinary 1 to 4, refresh 5 to 8, smallest first, and every one of them is known to Redis.

    Break: Kind.level, or priority_steps in celeryconfig.py.
    """
    ordinary = [kind.level(Urgency.ORDINARY) for kind in KINDS]
    refresh = [kind.level(Urgency.REFRESH) for kind in KINDS]
    assert (ordinary, refresh) == ([1, 2, 3, 4], [5, 6, 7, 8])
    assert {kind.level(Urgency.INTERACTIVE) for kind in KINDS} == {0}
    assert {0, *ordinary, *refresh} == set(LEVELS) == set(range(9))
    assert celeryconfig.broker_transport_options["priority_steps"] == list(LEVELS)


def test_any_number_of_kinds_fits_on_the_wire() -> None:
    """Priorities of 3 and more share the levels of 3, so that no ordinary job ever has the level of a refresh.

    Break: the min() in Kind.level.
    """
    many = [a_kind(name=f"kind{number}", priority=number) for number in range(12)]
    for urgency, wanted in (
        (Urgency.INTERACTIVE, {0}),
        (Urgency.ORDINARY, {1, 2, 3, 4}),
        (Urgency.REFRESH, {5, 6, 7, 8}),
    ):
        levels = [kind.level(urgency) for kind in many]
        assert levels == sorted(levels)
        assert set(levels) == wanted


def test_kinds_of_other_packages_stand_behind_ours_of_the_same_priority() -> None:
    """By priority, then ours, then by the entry point's name: the order in which equal levels are started."""
    added = {"c": a_kind(priority=4), "a": a_kind(name="added", priority=1), "b": a_kind(name="last", priority=9)}
    assert [kind.name for kind in catalog.catalog(KINDS, added)] == [
        "banner",
        "domain",
        "added",
        "geolocation",
        "certificate",
        "whois",
        "last",
    ]


@pytest.mark.parametrize(
    ("parts", "problem"),
    [
        ({"name": "Who is"}, "name: use lower-case letters"),
        ({"name": "control"}, "name: that queue is taken"),
        ({"priority": -1}, "priority"),
        ({"runner": ""}, "runner: use module:function"),
        ({"runner": "workers.probes.domain"}, "runner: use module:function"),
        ({"runner": "workers.probes.gone:probe"}, "runner: there is no module 'workers.probes.gone'"),
        ({"runner": "gone.entirely:probe"}, "runner: there is no module 'gone.entirely'"),
        ({"facts": frozenset({"names"})}, "facts: there is no 'names'; there are locations"),
        ({"origins": frozenset({Origin.PORT})}, "need the unit PORT"),
        ({"origins": frozenset({Origin.HOST}), "unit": Unit.PORT}, "needs the unit HOST"),
        ({"fresh_for": 0.0}, "fresh_for"),
        ({"fresh_for": float("nan")}, "fresh_for"),
        ({"pause": -1.0}, "pause"),
        ({"batch": 0}, "batch"),
        ({"batch": 200, "most": 100}, "batch"),
        ({"most": 5000}, "batch"),
    ],
)
def test_an_entry_that_cannot_be_used_fails_at_import(parts: dict[str, Any], problem: str) -> None:
    """One line that names the kind and its part. Break: a line of Kind.__post_init__, or catalog._check."""
    with pytest.raises(ConfigurationError) as raised:
        catalog.catalog([a_kind(**parts)], {})
    assert f"the kind {parts.get('name', 'whois')!r}: " in str(raised.value)
    assert problem in str(raised.value)


def test_another_packages_kind_never_replaces_ours() -> None:
    """Its name is taken: an error that names the entry point."""
    with pytest.raises(
        ConfigurationError, match=r"the plug-in 'mine' of cobalt\.kinds: there is a kind 'domain' already"
    ):
        catalog.catalog(KINDS, {"mine": a_kind(name="domain")})


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_runner_can_be_imported(kind: Kind) -> None:
    """What the catalog names is a function of the workers. Break: a runner of the catalog."""
    found = runners.load(kind)
    assert callable(found.probe if isinstance(found, runners.Probes) else found)


def test_a_runner_that_is_no_function_is_named() -> None:
    """A worker with it ends with one line."""
    for runner in ("workers.probes.domain:gone", "workers.probes.domain:SOURCE"):
        with pytest.raises(ConfigurationError, match="the kind 'whois': runner"):
            runners.load(a_kind(runner=runner))


def test_a_runner_keeps_to_its_declaration() -> None:
    """A job without an outcome is a fault, and so is one with facts of a sort that its kind does not declare.

    Break: either branch of runners.checked.
    """
    jobs = [
        Job(id=n, kind="whois", address="8.8.8.8", protocol="", port=0, attempts=0, forced=False) for n in (1, 2, 3)
    ]
    name = Hostname(address="8.8.8.8", name="dns.google", source="whois", observed_at=1.0)
    found = Facts(hostnames=[name])
    done = [Outcome(job=job, verdict=Verdict.DONE, code="fine", facts=found) for job in jobs[:2]]

    def run(facts: frozenset[str]) -> list[Verdict]:
        outcomes = runners.checked(a_kind(facts=facts), lambda *_: done)(None, jobs)
        assert [outcome.job.id for outcome in outcomes] == [1, 2, 3]
        return [outcome.verdict for outcome in outcomes]

    assert run(frozenset({"hostnames"})) == [Verdict.DONE, Verdict.DONE, Verdict.FAULT]
    assert run(frozenset()) == [Verdict.FAULT] * 3


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
