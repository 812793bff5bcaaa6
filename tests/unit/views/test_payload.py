"""Health is judged by what answers now, by the age of the last sign of life, and by whether work gets done."""

from typing import Any

import pytest

from cobalt_tasks.core.catalog import KINDS
from cobalt_tasks.core.kinds import CONTROL_QUEUE
from cobalt_tasks.core.machine import ClockWatch, Disk
from cobalt_tasks.jobs.backlog import Backlog
from cobalt_tasks.jobs.broker import Worker
from cobalt_tasks.jobs.rounds import Round
from cobalt_tasks.jobs.starts import Loop
from cobalt_tasks.messages.hints import WorkerReport
from cobalt_tasks.views.dashboard import payload
from cobalt_tasks.views.health import HealthInputs, HealthReport, Ledger, judge

QUEUES = [kind.name for kind in KINDS]
IDLE = Backlog(due_seconds=None, waits_seconds=None, finished=None)
STUCK = Backlog(due_seconds=40.0, waits_seconds=None, finished=False)
BUSY = Backlog(due_seconds=400.0, waits_seconds=None, finished=True)
GIB = 2**30


def round_of(name: str = "sweep", **given: Any) -> Round:
    """A round that ended well two seconds ago, but for what is given."""
    return Round(**({"name": name, "started": 2.0, "ended": 2.0, "failures": 0, "reason": None} | given))


def ledger(**given: Any) -> Ledger:
    """The facts of a ledger in which all is well but what is given; `backlog` is of the kinds named."""
    backlog = dict.fromkeys(QUEUES, IDLE) | given.pop("backlog", {})
    rounds = {"sweep": round_of(), "upkeep": round_of("upkeep")} | given.pop("rounds", {})
    return Ledger(**({"backlog": backlog, "rounds": rounds, "loops": (), "clock_skew": 0.0} | given))


def worker(name: str = "w", queues: list[str] | None = None, **report: Any) -> Worker:
    """A worker that answered."""
    taken = [*QUEUES, CONTROL_QUEUE] if queues is None else queues
    return Worker(name, taken, WorkerReport(queues=taken, **report))


def facts(**given: Any) -> HealthInputs:
    """The facts of a system in which all is well but what is given."""
    usual = {
        "ledger": ledger(),
        "broker_trouble": None,
        "workers": [worker()],
        "queue_ages": dict.fromkeys([*QUEUES, CONTROL_QUEUE], 1.0),
        "disks": [Disk(folder="/home", free=100 * GIB, total=200 * GIB)],
    }
    return HealthInputs(**(usual | given))


def health(input_age: float | None = 1.0, **given: Any) -> payload.Health:
    """The health of such a system."""
    seen = facts(**given)
    return payload.health(seen, judge(seen), input_age)


def verdict(**given: Any) -> HealthReport:
    """What is wrong with such a system."""
    return judge(facts(**given))


def test_all_is_well() -> None:
    """With every sign fresh, everything is active, nothing is wrong, and the whole is 1."""
    judged = health()
    assert (judged.overall, judged.reasons) == (1.0, [])
    assert {component.status for component in judged.components.values()} == {"ACTIVE"}


@pytest.mark.parametrize(
    ("age", "status", "percentage"),
    [
        (0.0, "ACTIVE", 100),
        (14.9, "ACTIVE", 100),
        (15.0, "DEGRADED", 50),
        (29.9, "DEGRADED", 50),
        (30.0, "DEAD", 0),
        (None, "DEAD", 0),
    ],
)
def test_thresholds(age: float | None, status: str, percentage: int) -> None:
    """Degraded after 15 seconds without a sign, dead after 30 or without any."""
    judged = health(input_age=age).components["connection_monitor"]
    assert (judged.status, judged.health_percentage, judged.last_beat_age) == (status, percentage, age)


@pytest.mark.parametrize(
    ("ages", "status"),
    [
        ({}, "DEAD"),
        (dict.fromkeys(QUEUES, 40.0), "DEAD"),
        ({"banner": 1.0}, "DEGRADED"),
        (dict.fromkeys(QUEUES, 1.0) | {"domain": 100.0}, "DEGRADED"),
        (dict.fromkeys(QUEUES, 1.0) | {"domain": 20.0}, "DEGRADED"),
    ],
)
def test_workers_are_as_good_as_their_worst_queue(ages: dict[str, float], status: str) -> None:
    """A queue without a worker degrades the whole; none served is dead."""
    assert health(queue_ages=ages).components["workers"].status == status


def test_a_worker_that_missed_the_question_is_known_by_what_it_got_done() -> None:
    """Jobs of each kind finished just now, and a sweep ended: the queues have workers, although none answered for a minute."""
    given = {"queue_ages": {}, "workers": [], "watched": 60.0}
    assert any("no worker takes from" in reason for reason in health(**given).reasons)
    judged = health(**given, ledger=ledger(finished=dict.fromkeys(QUEUES, 2.0)))
    assert (judged.reasons, judged.components["workers"].status) == ([], "ACTIVE")


def test_what_only_starts_is_not_dead() -> None:
    """In the first seconds, before any worker could answer, nothing is called missing or dead."""
    judged = health(queue_ages={}, workers=[], watched=5.0)
    assert {judged.components[name].status for name in ("workers", "geo_engine")} == {"ACTIVE"}


def test_silence_is_no_illness() -> None:
    """Without input for long, the input is dead and the rest is as healthy as it was."""
    assert health(input_age=3600.0).overall == 1.0


@pytest.mark.parametrize(
    ("given", "component", "reason"),
    [
        ({"ledger": None}, "database", "the database does not answer"),
        ({"broker_trouble": "Redis does not answer: x"}, "broker", "Redis does not answer: x"),
        ({"queue_ages": {}, "workers": []}, "workers", "no worker takes from banner, certificate, domain, geolocation"),
        ({"ledger": ledger(backlog=dict.fromkeys(QUEUES, STUCK))}, "workers", "banner: jobs have been due for 40 s"),
        ({"ledger": ledger(backlog={"geolocation": STUCK})}, "geo_engine", "geolocation: jobs have been due for 40 s"),
    ],
)
def test_nothing_can_be_done(given: dict[str, Any], component: str, reason: str) -> None:
    """No database, no broker, no worker, or nothing of what is due gets done: not able, and the whole is 0."""
    assert not verdict(**given).able
    judged = health(**given)
    assert judged.overall == 0
    assert judged.components[component].status == "DEAD"
    assert reason in judged.reasons[0]


@pytest.mark.parametrize(
    ("given", "part", "reason"),
    [
        (
            {"ledger": ledger(rounds={"sweep": round_of(failures=3, ended=40.0, reason="ValueError: x")})},
            "sweep",
            "the sweep failed 3 times in a row: ValueError: x; it last ended well: 40 s ago",
        ),
        ({"ledger": ledger(rounds={"sweep": round_of(ended=None)})}, "sweep", "no sweep is being done; one last ended"),
        ({"ledger": ledger(rounds={"sweep": round_of(ended=21.0)})}, "sweep", "last ended well: 21 s ago"),
        ({"ledger": ledger(rounds={"upkeep": round_of("upkeep", failures=2, reason="x")})}, "sweep", "(scores, refreshes)"),
        (
            {"ledger": ledger(loops=[Loop(name="network", restarts=4, reason="ended with 1: boom")])},
            "workers",
            "network was started again 4 times in the last 5 minutes, last: ended with 1: boom",
        ),
        ({"disks": [Disk(folder="/home", free=0, total=GIB)]}, "disk", "the disk is full: /home: 0 MiB of 1024 MiB"),
        ({"disks": [Disk(folder="/home", free=2**28, total=GIB)]}, "disk", "little is left: /home: 256 MiB"),
        ({"workers": [worker(descriptors=800, descriptor_limit=1024)]}, "workers", "has 800 of at most 1024 files open"),
        ({"workers": [worker(step=-3600.0)]}, "clock", "the clock of w was stepped by -3600 s"),
        ({"workers": [worker(clock=1.0)]}, "clock", "off this machine's"),
        ({"clock_step": 7200.0}, "clock", "the clock of this machine was stepped by +7200 s"),
        ({"ledger": ledger(clock_skew=-300.0)}, "clock", "the database's clock is -300 s off"),
        ({"ledger": ledger(backlog={"geolocation": STUCK, "banner": BUSY}), "workers": [worker("n", ["banner"])]}, "work", "geolocation"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_while_work_goes_on(given: dict[str, Any], part: str, reason: str) -> None:
    """Each fault is one sentence of its part, work can still be done, and the whole is not called well."""
    found = verdict(**given)
    assert found.able
    assert len(found.reasons) == 1
    assert reason in found.of(part)[0]
    judged = health(**given)
    assert 0 < judged.overall < 1
    assert part not in judged.components or judged.components[part].status != "ACTIVE"


@pytest.mark.parametrize(
    "given",
    [
        # Waiting for a provider's quota is no stall.
        {"ledger": ledger(backlog={"geolocation": Backlog(due_seconds=None, waits_seconds=900.0, finished=False)})},
        # Strict order: what goes first is being done, and no worker is there for the rest alone.
        {"ledger": ledger(backlog={"banner": BUSY, "certificate": STUCK})},
        # A batch of silent ports.
        {"ledger": ledger(backlog={"banner": Backlog(due_seconds=20.0, waits_seconds=None, finished=False)})},
        # One failure is none in a row.
        {"ledger": ledger(rounds={"sweep": round_of(failures=1, ended=5.0, reason="Redis does not answer")})},
        # What only starts is not late.
        {"ledger": ledger(rounds={"sweep": round_of(ended=None)}), "queue_ages": {}, "watched": 5.0},
        # What waited while nothing ran.
        {"ledger": ledger(backlog=dict.fromkeys(QUEUES, STUCK)), "watched": 20.0},
    ],
)
def test_what_is_no_fault(given: dict[str, Any]) -> None:
    """Waiting that is meant to be is not called a fault."""
    assert verdict(**given).reasons == []


def test_a_stepped_clock_is_seen_for_ten_minutes() -> None:
    """A step of an hour is found at the next look, a drift is none, and it is forgotten in the end."""
    now = {"clock": 1000.0, "steady": 0.0}
    watch = ClockWatch(lambda: now["clock"], lambda: now["steady"])
    now = {"clock": 1060.5, "steady": 60.0}
    assert watch.step() is None
    now = {"clock": 1070.5 - 3600, "steady": 70.0}
    assert watch.step() == pytest.approx(-3600)
    now = {"clock": 1370.5 - 3600, "steady": 370.0}
    assert watch.step() == pytest.approx(-3600)
    now = {"clock": 1770.5 - 3600, "steady": 770.0}
    assert watch.step() is None
