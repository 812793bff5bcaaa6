"""A window goes on claiming while its task has room: by level, politely, and no job twice."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import select, update

from cobalt_tasks.core import settings as environment
from cobalt_tasks.core.catalog import BY_NAME
from cobalt_tasks.core.errors import DatabaseUnavailableError
from cobalt_tasks.core.kinds import Urgency
from cobalt_tasks.core.records import Facts, Hostname, Job, NewJob, Outcome, State, Verdict
from cobalt_tasks.db.tables import jobs as table
from cobalt_tasks.hosts import facts
from cobalt_tasks.jobs import creation, host_limits
from cobalt_tasks.jobs import store as jobs
from cobalt_tasks.jobs.completion import Exchange
from cobalt_tasks.jobs.host_limits import Limits
from tests.integration.workers.conftest import Ledger
from tests.support.waiting import PATIENCE
from workers import queues
from workers.context import WorkerContext
from workers.handshake_bytes import HANDSHAKE_BYTES
from workers.net import Net
from workers.runners import Probes
from workers.window import Window, refill_seconds, roll

Make = Callable[..., WorkerContext]


class Watched:
    """A probe that notes what runs beside what."""

    def __init__(self, seconds: Callable[[Job], float] = lambda _: 0.01) -> None:
        """Take so long for each job."""
        self._seconds = seconds
        self.order: list[str] = []
        self.running: Counter[str] = Counter()
        self.most: Counter[str] = Counter()

    async def __call__(self, job: Job, _net: Net) -> Outcome:
        """Probe nothing."""
        self.order.append(job.address)
        for key in (*host_limits.keys(job.address), "all"):
            self.running[key] += 1
            self.most[key] = max(self.most[key], self.running[key])
        await asyncio.sleep(self._seconds(job))
        self.running.subtract((*host_limits.keys(job.address), "all"))
        return Outcome(job=job, verdict=Verdict.DONE, code="open")


@pytest.fixture
def make(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Makes what a worker process has, with changes of its settings."""
    made: list[WorkerContext] = []
    # As long as it takes: these tests are not about the time of one task.
    monkeypatch.setattr("workers.window.REFILL_SECONDS", PATIENCE)
    monkeypatch.setattr("workers.window._END_SECONDS", 2 * PATIENCE)

    def make(**changes: str) -> WorkerContext:
        for name, value in {"COBALT_SCOPE": "127.0.0.0/8", **changes}.items():
            monkeypatch.setenv(name, value)
        made.append(WorkerContext(environment.load()))
        return made[-1]

    yield make
    for each in made:
        each.dispatcher.broker.close()
        each.database.dispose()


def create(ledger: Ledger, *new: NewJob) -> list[int]:
    """Make jobs; return the ids of all, by address and port."""
    ledger.database.write(creation.create, new)
    with ledger.database.reading() as connection:
        return list(connection.execute(select(table.c.id).order_by(table.c.address, table.c.port)).scalars())


def banners(
    addresses: Sequence[str], ports: Sequence[int] = (22,), urgency: Urgency = Urgency.ORDINARY
) -> list[NewJob]:
    """Return jobs for ports of hosts."""
    return [NewJob(kind="banner", address=a, protocol="tcp", port=p, urgency=urgency) for a in addresses for p in ports]


def states(ledger: Ledger) -> Counter[str]:
    """Count the jobs by state."""
    with ledger.database.reading() as connection:
        return Counter(connection.execute(select(table.c.state)).scalars())


def test_a_window_goes_on_while_one_target_is_silent(ledger: Ledger, make: Make) -> None:
    """One message names one job; a slow target keeps one place, and the others are used again and again.

    Break: `claim_next` in completion.exchange.
    """
    addresses = [f"127.8.{n // 200}.{n % 200 + 1}" for n in range(600)]
    ids = create(ledger, *banners(addresses))
    probe = Watched(lambda job: 0.5 if job.address == "127.8.0.1" else 0.0)
    window = roll(make(), Probes(BY_NAME["banner"], probe), ids[:1])
    assert window.done == len(addresses)
    assert states(ledger) == {State.DONE: len(addresses)}
    assert sorted(probe.order) == sorted(addresses)


def test_a_free_place_goes_to_the_smallest_level(ledger: Ledger, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also to a job whose message waits behind. Break: the order of levels in claims.claim_next."""
    monkeypatch.setattr("workers.window.MOST_OPEN", 4)
    ordinary = create(ledger, *banners([f"127.8.0.{n}" for n in range(1, 41)]))
    create(ledger, *banners(["127.8.1.1"], urgency=Urgency.INTERACTIVE))
    ledger.database.write(jobs.mark_sent, "banner", 0, 10)
    probe = Watched()
    roll(make(), Probes(BY_NAME["banner"], probe), ordinary[:4])
    assert probe.order.index("127.8.1.1") in range(4, 9)
    assert states(ledger) == {State.DONE: 41}


@pytest.mark.parametrize("limit", ["COBALT_PER_HOST", "COBALT_PER_NETWORK"])
def test_no_more_than_the_limit_run_for_one_host_or_network(ledger: Ledger, make: Make, limit: str) -> None:
    """A hundred ports of one host beside others: all end, the others first, and none of them waits as a due job.

    Break: host_limits.choose, or host_limits.unpark in completion.complete_all.
    """
    others = [f"127.7.{n}.1" for n in range(30)]
    create(ledger, *banners(["127.8.0.1"], range(1, 101)))
    ids = create(ledger, *banners(others))
    probe = Watched()
    window = roll(make(**{limit: "3"}), Probes(BY_NAME["banner"], probe), ids[-100:])
    assert window.done == 130
    host, network = host_limits.keys("127.8.0.1")
    assert probe.most[host] == probe.most[network] == 3
    assert probe.most["all"] > 10
    # Not one port of that host after the other, at its head.
    assert set(others) <= set(probe.order[:80])
    assert states(ledger) == {State.DONE: 130}


def test_what_waits_for_its_host_is_not_due_and_is_not_forgotten(ledger: Ledger, make: Make) -> None:
    """Another worker holds the host's places; when it is lost, the sweep makes the rest due.

    Break: unpark_forgotten in reaper.sweep.
    """
    ids = create(ledger, *banners(["127.8.0.1"], range(1, 21)))
    held = ledger.database.write(jobs.claim, "banner", ids[:8], 60.0)
    window = roll(make(), Probes(BY_NAME["banner"], Watched()), ids[8:])
    assert window.done == 0
    assert states(ledger) == {State.RUNNING: 8, State.PENDING: 12}
    assert ledger.dispatcher.dispatch(["banner"]) == 0
    assert ledger.database.write(host_limits.unpark_forgotten, Limits()) == 0
    ledger.database.write(jobs.release, held.token)
    ledger.sweep()
    with ledger.database.reading() as connection:
        waiting = connection.execute(select(table.c.id).where(table.c.waits_for.is_not(None))).scalars().all()
    assert len(waiting) == 12 - 8


def test_what_was_lost_runs_with_few_others(ledger: Ledger, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A window does not add suspects to what runs, nor others to suspects. Break: `_BESIDE_OTHERS`, or has_lone."""
    monkeypatch.setattr("workers.window._DISPATCH_SECONDS", PATIENCE)
    ids = create(ledger, *banners([f"127.8.0.{n}" for n in range(1, 61)]))
    with ledger.database.writing() as connection:
        lost = {"outcome": "worker lost", "not_before": 0.0}
        connection.execute(update(table).where(table.c.id.in_(ids[:40])).values(lost))
    roll(make(), Probes(BY_NAME["banner"], Watched()), ids[40:41])
    assert states(ledger) == {State.DONE: 20, State.PENDING: 40}
    roll(make(), Probes(BY_NAME["banner"], Watched()), ids[:10])
    assert states(ledger) == {State.DONE: 30, State.PENDING: 30}
    marked = ledger.database.write(jobs.mark_sent, "banner", 1, 100)
    assert {each.suspect for each in marked} == {True}


def test_a_window_stops_for_a_more_urgent_message(ledger: Ledger, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of another kind that this worker takes too. Break: levels_before_others."""
    monkeypatch.setattr("workers.window._DISPATCH_SECONDS", PATIENCE)
    monkeypatch.setattr(queues, "_consumed", ["domain", "banner", "control"])
    refresh = create(ledger, *banners([f"127.8.0.{n}" for n in range(1, 11)], urgency=Urgency.REFRESH))
    own = make()
    assert queues.levels_before_others(own.dispatcher.broker, BY_NAME["banner"], 0.0) == BY_NAME["banner"].levels
    ledger.ask(NewJob(kind="domain", address="127.8.0.1"))
    assert queues.levels_before_others(own.dispatcher.broker, BY_NAME["banner"], 0.0) == (0, 1)
    window = roll(own, Probes(BY_NAME["banner"], Watched()), refresh[:2])
    assert window.done == 2
    assert states(ledger) == {State.DONE: 2, State.PENDING: 8, State.SENT: 1}


def test_a_job_that_another_did_ends_with_it(ledger: Ledger, make: Make) -> None:
    """And its fact is fresh; a running one, and that of another port, are left. Break: settled.settle in complete_all."""
    certificates = [replace(each, kind="certificate") for each in banners(["127.8.0.1"], range(1, 4))]
    create(ledger, *certificates)
    running = ledger.database.write(jobs.claim, "certificate", create(ledger)[1:2], 60.0)
    ids = create(ledger, *banners(["127.8.0.1"], [1, 2]))

    async def probe(job: Job, _net: Net) -> Outcome:
        return Outcome(job=job, verdict=Verdict.DONE, code="open", settles={"certificate": 3600.0})

    roll(make(), Probes(BY_NAME["banner"], probe), ids)
    with ledger.database.reading() as connection:
        wanted = select(table.c.port, table.c.state).where(table.c.kind == "certificate").order_by(table.c.port)
        found = [tuple(row) for row in connection.execute(wanted)]
    assert [job.port for job in running.jobs] == [2]
    assert found == [(1, State.DONE), (2, State.RUNNING), (3, State.PENDING)]
    assert ledger.database.write(creation.create, certificates[:1]) == 0


def test_a_window_ends_within_the_limit_of_its_task() -> None:
    """Whatever the time-out of a probe. Break: `longest` in refill_seconds."""
    assert refill_seconds(5.0) == 15.0
    assert 0 < refill_seconds(60.0) < 10.0


def test_probes_that_connect_to_hosts_know_their_names(ledger: Ledger, make: Make) -> None:
    """The names in the ledger reach the probes: SNI and Host follow from them. Break: the look-up of names at a claim."""
    name = Hostname(address="127.8.0.1", name="www.example.com", source="ptr", confirmed=True, observed_at=1.0)
    ledger.database.write(facts.write, Facts(hostnames=[name]))
    ids = create(ledger, *banners(["127.8.0.1", "127.8.0.2"]))
    seen: dict[str, tuple[str, ...]] = {}

    async def probe(job: Job, net: Net) -> Outcome:
        seen[job.address] = net.target(job).names
        return Outcome(job=job, verdict=Verdict.DONE, code="open")

    roll(make(), Probes(BY_NAME["banner"], probe), ids)
    assert seen == {"127.8.0.1": ("www.example.com",), "127.8.0.2": ()}


def test_what_was_claimed_is_kept_when_nothing_can_be_sent(
    ledger: Ledger, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database stops answering right after a commit, between the claim and the sending: no job waits for its lease.

    Break: repeat the sending together with the exchange in Window._write.
    """
    monkeypatch.setattr("workers.window.MOST_OPEN", 4)
    monkeypatch.setattr("workers.window._DISPATCH_SECONDS", 0.0)
    ids = create(ledger, *banners([f"127.8.0.{n}" for n in range(1, 41)]))
    own, troubles = make(), iter([DatabaseUnavailableError("it is away")])

    def dispatch(_kinds: object) -> int:
        for trouble in troubles:
            raise trouble
        return 0

    monkeypatch.setattr(own.dispatcher, "dispatch", dispatch)
    probe = Watched()
    roll(own, Probes(BY_NAME["banner"], probe), ids[:4])
    assert next(troubles, None) is None
    assert states(ledger) == {State.DONE: 40}
    assert len(probe.order) == 40


def test_certificates_take_room_until_they_are_written(
    ledger: Ledger, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes of a handshake count until the ledger has the outcome, however long it was busy, and not after the window.

    Break: the wait for `_written` in Window._do.
    """
    held: list[int] = []

    async def probe(job: Job, _net: Net) -> Outcome:
        task = asyncio.current_task()
        assert task
        HANDSHAKE_BYTES.take(task, 1000)
        return Outcome(job=job, verdict=Verdict.DONE, code="open")

    write = Window._write

    def noting(window: Window, ended: dict[str, list[Outcome]], *rest: Any) -> Any:
        if ended:
            held.append(HANDSHAKE_BYTES.small // 1000 - sum(map(len, ended.values())))
        return write(window, ended, *rest)

    monkeypatch.setattr(Window, "_write", noting)
    ids = create(ledger, *banners([f"127.8.0.{n}" for n in range(1, 21)]))
    roll(make(), Probes(BY_NAME["banner"], probe), ids)
    assert held
    assert min(held) >= 0
    assert states(ledger) == {State.DONE: 20}
    assert HANDSHAKE_BYTES.small == 0


def test_look_ups_are_claimed_by_the_hundreds(ledger: Ledger, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """They open no connection to targets, and what one exchange with the ledger costs is shared by all of it.

    Break: `_OTHERS` in Window._room.
    """
    addresses = [f"20.8.{n // 200}.{n % 200 + 1}" for n in range(600)]
    ids = create(ledger, *(NewJob(kind="domain", address=address) for address in addresses))
    claimed: list[int] = []
    begin = Window._begin

    async def note(window: Window, found: Exchange) -> None:
        claimed.append(len(found.claim.jobs))
        await begin(window, found)

    monkeypatch.setattr(Window, "_begin", note)
    roll(make(), Probes(BY_NAME["domain"], Watched()), ids[:1])
    assert states(ledger) == {State.DONE: 600}
    assert max(claimed) > 256
