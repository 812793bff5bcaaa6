"""Whether work gets done, and if not, why: the one judgement that `/api/health`, the page, `cobalt status` and
`cobalt doctor` show.
"""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from cobalt_tasks.alerts import outbox
from cobalt_tasks.alerts.outbox import Dead
from cobalt_tasks.core.catalog import KINDS
from cobalt_tasks.core.errors import DatabaseUnavailableError
from cobalt_tasks.core.kinds import CONTROL_QUEUE
from cobalt_tasks.core.machine import ClockWatch, Disk, disk
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db.engine import Database, sqlite_folder
from cobalt_tasks.hosts import ledger_size, stats
from cobalt_tasks.hosts.ledger_size import LedgerSize
from cobalt_tasks.jobs import backlog as work
from cobalt_tasks.jobs import rounds, starts
from cobalt_tasks.jobs.backlog import Backlog
from cobalt_tasks.jobs.broker import Worker
from cobalt_tasks.jobs.rounds import SWEEP, UPKEEP, Round
from cobalt_tasks.jobs.starts import Loop

STALL_SECONDS: Final = 25.0
"""Jobs due for so long, and none finished in as long, are a stall: longer than any batch, and seen within half a minute."""

MISSING_SECONDS: Final = 15.0
"""How long a queue may be without a worker that answers: one that is busy misses a question now and then."""

_LATE_SWEEP_SECONDS: Final = 20.0
_FEW_FAILURES: Final = 2
FULL_DISK: Final = 64 * 2**20
LOW_DISK: Final = 512 * 2**20
_MOST_DESCRIPTORS: Final = 0.7
_SKEW_SECONDS: Final = 30.0
_MIB: Final = 2**20
_GB: Final = 10**9
_DAYS_AHEAD: Final = 14.0
"""A disk that would be full within so many days is reported."""

DATABASE, BROKER, WORKERS, WORK, SWEEPS, DISK, CLOCK, ALERTS = (
    "database",
    "broker",
    "workers",
    "work",
    "sweep",
    "disk",
    "clock",
    "alerts",
)
PARTS: Final = (DATABASE, BROKER, WORKERS, WORK, SWEEPS, DISK, CLOCK, ALERTS)


class Reason(Struct, frozen=True, kw_only=True):
    """One thing that is wrong: in which of `PARTS`, in words, and whether nothing can be done because of it."""

    part: str
    text: str
    stops: bool = False


class HealthReport(Struct, frozen=True, kw_only=True):
    """What is wrong, the worst first. `able`: whether work can be done at all; `notes`: what waits and is not wrong."""

    able: bool
    reasons: Sequence[Reason]
    notes: Sequence[str] = ()

    def of(self, part: str) -> list[str]:
        """Return what is wrong with one part."""
        return [reason.text for reason in self.reasons if reason.part == part]


class Ledger(Struct, frozen=True, kw_only=True):
    """The facts in the ledger.

    Attributes:
        backlog: the work of each kind.
        finished: seconds since a job of each kind was last finished; a kind that is left out is not among the newest.
        rounds: the periodic rounds that were ever started, by name.
        loops: the processes that are started again and again.
        clock_skew: seconds that the database's clock is ahead of this machine's.
        dead_alerts: the alerts that could not be delivered; None: all were.

    """

    backlog: Mapping[str, Backlog]
    finished: Mapping[str, float] = {}
    rounds: Mapping[str, Round]
    loops: Sequence[Loop]
    clock_skew: float
    size: LedgerSize | None = None
    dead_alerts: Dead | None = None


class HealthInputs(Struct, frozen=True, kw_only=True):
    """All that the judgement rests on.

    Attributes:
        ledger: None when the database does not answer.
        broker_trouble: why Redis does not answer, None when it does.
        workers: those that answered last.
        queue_ages: seconds since a worker was last seen to take from each queue; a queue that is left out never was.
        disks: the file systems of this machine that are written to.
        ledger_disk: the one that the database's files lie on, None if that is not known here.
        clock_step: seconds by which this machine's clock was stepped lately, None when it was not.
        watched: seconds for which these facts have been watched: what only starts is not late yet.

    """

    ledger: Ledger | None
    broker_trouble: str | None
    workers: Sequence[Worker]
    queue_ages: Mapping[str, float]
    disks: Sequence[Disk]
    ledger_disk: Disk | None = None
    clock_step: float | None = None
    watched: float = math.inf


def require_ledger(database: Database) -> Ledger:
    """Return the facts in the ledger. Cheap at any size.

    Raises:
        DatabaseUnavailableError: the database does not answer, or lacks what the ledger has.

    """
    with database.reading() as connection:
        before = time.time()
        skew = stats.now(connection) - (before + time.time()) / 2
        return Ledger(
            backlog=work.find(connection, STALL_SECONDS),
            finished=work.last_finished(connection),
            rounds=rounds.find(connection),
            loops=starts.loops(connection),
            clock_skew=skew,
            size=ledger_size.find(connection),
            dead_alerts=outbox.dead(connection),
        )


def read_ledger(database: Database) -> Ledger | None:
    """Return the facts in the ledger, None when the database does not answer."""
    try:
        return require_ledger(database)
    except DatabaseUnavailableError:
        return None


def disks(settings: Settings) -> list[Disk]:
    """Return the disks that this machine's Cobalt writes to: the state folder's, and SQLite's."""
    folders = {settings.home, sqlite_folder(settings.database_url) or settings.home}
    return [found for folder in sorted(folders) if (found := disk(folder))]


def _ledger_disk(ledger: Ledger | None, settings: Settings) -> Disk | None:
    folder = sqlite_folder(settings.database_url)
    if folder is None and ledger is not None and ledger.size is not None and ledger.size.folder is not None:
        folder = Path(ledger.size.folder)
    return disk(folder) if folder is not None and folder.exists() else None


def queue_ages(facts: HealthInputs) -> dict[str, float]:
    """Return for each queue the seconds since a worker took from it: by its answer, or by what it got done.

    A worker that is busy, or one of many on a busy machine, may miss a question. What was not seen yet is as old as the
    watching.
    """
    done = dict(facts.ledger.finished) if facts.ledger else {}
    sweep = facts.ledger.rounds.get(SWEEP) if facts.ledger else None
    done[CONTROL_QUEUE] = _age(sweep)
    queues = [*(kind.name for kind in KINDS), CONTROL_QUEUE]
    return {name: min(facts.queue_ages.get(name, facts.watched), done.get(name, math.inf)) for name in queues}


def judge(facts: HealthInputs) -> HealthReport:
    """Return what is wrong."""
    reasons = [
        *_surroundings(facts),
        *_missing_workers(facts),
        *(_work(facts, facts.ledger) if facts.ledger else ()),
        *_machines(facts),
    ]
    reasons.sort(key=lambda reason: not reason.stops)
    backlog = facts.ledger.backlog if facts.ledger else {}
    notes = [
        f"{name}: jobs have waited for a provider's quota for {each.waits_seconds:.0f} s"
        for name, each in backlog.items()
        if each.waits_seconds is not None
    ]
    return HealthReport(able=not any(reason.stops for reason in reasons), reasons=reasons, notes=notes)


def _surroundings(facts: HealthInputs) -> Iterator[Reason]:
    if facts.ledger is None:
        yield Reason(part=DATABASE, text="the database does not answer", stops=True)
    if facts.broker_trouble is not None:
        yield Reason(part=BROKER, text=facts.broker_trouble, stops=True)


def _missing_workers(facts: HealthInputs) -> Iterator[Reason]:
    if facts.broker_trouble is not None:
        return
    missing = [name for name, age in queue_ages(facts).items() if age >= MISSING_SECONDS]
    nothing_left = all(kind.name in missing for kind in KINDS)
    if missing:
        yield Reason(part=WORKERS, text=f"no worker takes from {', '.join(sorted(missing))}", stops=nothing_left)


def _work(facts: HealthInputs, ledger: Ledger) -> Iterator[Reason]:
    due = {
        name: each.due_seconds
        for name, each in ledger.backlog.items()
        if each.due_seconds is not None and each.due_seconds >= STALL_SECONDS
    }
    stalled = stalled_kinds(facts)
    for name in stalled:
        text = (
            f"{name}: jobs have been due for {due[name]:.0f} s, and none was finished in the last {STALL_SECONDS:.0f} s"
        )
        yield Reason(part=WORK, text=text, stops=len(stalled) == len(due))
    yield from _rounds(ledger.rounds, facts.watched)
    if dead := ledger.dead_alerts:
        number = f"{dead.count:,} alerts were" if dead.count > 1 else "an alert was"
        text = f"{number} not delivered in {outbox.TRIES} tries, the last to {dead.receiver}: {dead.reason}"
        yield Reason(part=ALERTS, text=f"{text}: cobalt alerts list --dead, then retry or drop")
    for loop in ledger.loops:
        minutes = starts.WINDOW_SECONDS / 60
        text = f"{loop.name} was started again {loop.restarts} times in the last {minutes:.0f} minutes"
        yield Reason(part=WORKERS, text=f"{text}, last: {loop.reason}" if loop.reason else f"{text}: see its log")


def stalled_kinds(facts: HealthInputs) -> list[str]:
    """Return the kinds whose jobs are due and not done.

    Strict order is no stall: a kind may wait as long as every worker that takes it finishes jobs that go first. Nor is a
    backlog that nothing could have worked on yet, since everything has only started.
    """
    if facts.ledger is None or facts.watched < STALL_SECONDS:
        return []
    found = facts.ledger.backlog
    stalled = []
    for number, kind in enumerate(KINDS):
        of_kind = found[kind.name]
        if of_kind.due_seconds is None or of_kind.due_seconds < STALL_SECONDS or of_kind.finished is not False:
            continue
        first = {other.name for other in KINDS[:number] if found[other.name].finished}
        takers = [worker for worker in facts.workers if kind.name in worker.queues]
        if not takers or not all(first.intersection(worker.queues) for worker in takers):
            stalled.append(kind.name)
    return stalled


def _rounds(found: Mapping[str, Round], watched: float) -> Iterator[Reason]:
    for name, words in ((SWEEP, "sweep"), (UPKEEP, "upkeep (scores, refreshes)")):
        each = found.get(name)
        last = "never" if each is None or each.ended is None else f"{each.ended:.0f} s ago"
        if each is not None and each.failures >= _FEW_FAILURES:
            text = f"the {words} failed {each.failures} times in a row: {each.reason}; it last ended well: {last}"
            yield Reason(part=SWEEPS, text=text)
        elif name == SWEEP and min(watched, _age(each)) > _LATE_SWEEP_SECONDS:
            advice = "start celery -A cobalt_tasks beat, and a worker with -Q control, or look into their logs"
            yield Reason(part=SWEEPS, text=f"no sweep is being done; one last ended well: {last}: {advice}")


def _age(sweep: Round | None) -> float:
    return math.inf if sweep is None or sweep.ended is None else sweep.ended


def _forecast(facts: HealthInputs) -> Iterator[Reason]:
    """Warn before the disk is full, by what the ledger grew in the last days."""
    size = facts.ledger.size if facts.ledger else None
    if size is None or facts.ledger_disk is None or not size.growth or size.growth < 0:
        return
    days = facts.ledger_disk.free / size.growth
    if days < _DAYS_AHEAD and facts.ledger_disk.free >= LOW_DISK:
        text = (
            f"{facts.ledger_disk.folder} will be full in about {days:.0f} days: the ledger grows by {size.growth / _GB:.1f} GB "
            f"a day, {facts.ledger_disk.free / _GB:.1f} GB are free; COBALT_KEEP_CONNECTIONS and others limit what is kept"
        )
        yield Reason(part=DISK, text=text)


def _machines(facts: HealthInputs) -> Iterator[Reason]:
    yield from _forecast(facts)
    for each in facts.disks:
        if each.free < LOW_DISK:
            text = f"{each.folder}: {each.free // _MIB} MiB of {each.total // _MIB} MiB are free"
            yield Reason(
                part=DISK, text=f"the disk is full: {text}" if each.free < FULL_DISK else f"little is left: {text}"
            )
    now = time.time()
    for worker in facts.workers:
        report = worker.report
        if (
            report.descriptors
            and report.descriptor_limit
            and report.descriptors > _MOST_DESCRIPTORS * report.descriptor_limit
        ):
            text = f"{worker.name} has {report.descriptors} of at most {report.descriptor_limit} files open"
            yield Reason(part=WORKERS, text=text)
        if report.step is not None:
            yield Reason(part=CLOCK, text=f"the clock of {worker.name} was stepped by {report.step:+.0f} s")
        elif report.clock is not None and abs(report.clock - now) > _SKEW_SECONDS:
            yield Reason(
                part=CLOCK, text=f"the clock of {worker.name} is {report.clock - now:+.0f} s off this machine's"
            )
    if facts.clock_step is not None:
        yield Reason(part=CLOCK, text=f"the clock of this machine was stepped by {facts.clock_step:+.0f} s")
    elif facts.ledger is not None and abs(facts.ledger.clock_skew) > _SKEW_SECONDS:
        text = f"the database's clock is {facts.ledger.clock_skew:+.0f} s off this machine's"
        yield Reason(part=CLOCK, text=text)


_watch = ClockWatch()


def collect(ledger: Ledger | None, settings: Settings, workers: Sequence[Worker], trouble: str | None) -> HealthInputs:
    """Return the facts as one look sees them, with those of this machine.

    Args:
        ledger: what `read_ledger` returned.
        settings: of this process.
        workers: those that answered.
        trouble: why Redis does not answer, None when it does.

    """
    return HealthInputs(
        ledger=ledger,
        broker_trouble=trouble,
        workers=workers,
        queue_ages={queue: 0.0 for worker in workers for queue in worker.queues},
        disks=disks(settings),
        ledger_disk=_ledger_disk(ledger, settings),
        clock_step=_watch.step(),
    )
