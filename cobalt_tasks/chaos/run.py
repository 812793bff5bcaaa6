"""The storm: feed and faults for some minutes, then calm, then the audit."""

import random
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from msgspec import Struct

from cobalt_tasks.chaos import audit
from cobalt_tasks.chaos.audit import Findings
from cobalt_tasks.chaos.faults import Faults
from cobalt_tasks.chaos.feed import Feed
from cobalt_tasks.chaos.message_watch import MessageWatch
from cobalt_tasks.chaos.priority import SLOTS, overtaken
from cobalt_tasks.chaos.producer import Producer
from cobalt_tasks.chaos.stack import DatabaseName, Stack, running
from cobalt_tasks.chaos.trigger_log import TriggerLog, one_of
from cobalt_tasks.core.records import ACTIVE_STATES

_TICK: Final = 0.1
_BETWEEN_FAULTS: Final = (1.0, 3.0)
_FIRST_FAULT: Final = 8.0
_REPORT_SECONDS: Final = 10.0
_REST_SECONDS: Final = 300.0


class Storm(Struct, frozen=True, kw_only=True):
    """What is asked for."""

    database: DatabaseName
    minutes: float
    seed: int
    keep: bool = False


class ChaosReport(Struct, frozen=True, kw_only=True):
    """What came of it. `rest_seconds` is from the last fault until nothing was left to do."""

    database: str
    seed: int
    seconds: float
    faults: int
    faults_by_name: dict[str, int]
    rest_seconds: float
    overtaken: int | None
    findings: Findings
    folder: str | None

    @property
    def holds(self) -> bool:
        """Whether every promise held."""
        return not self.findings.problems


def run(storm: Storm, report: Callable[[str], None]) -> ChaosReport:
    """Run one storm.

    storm: what to run, and for how long; report: called with a line of progress now and then.

    Raises:
        CobaltError: the stack cannot be started here.

    """
    began = time.monotonic()
    choice = random.Random(storm.seed)  # noqa: S311  # repeatable on purpose
    with (
        TemporaryDirectory(prefix="cobalt-chaos-feed-") as apart,
        running(storm.database, keep=storm.keep) as (stack, settings, targets),
    ):
        report(f"{storm.database} in {stack.folder}, seed {storm.seed}")
        # Not on the stack's own disk, which a fault fills.
        inputs = stack.folder if storm.keep else Path(apart)
        feed, faults = Feed(inputs / "feed", targets, choice), Faults(stack, choice)
        weather = _Weather(stack, Producer(stack, feed), faults, report)
        for each in faults.left_out:
            report(each)
        weather.storm(storm.minutes * 60)
        calmed = time.monotonic()
        is_at_rest = weather.rest()
        rest_seconds = time.monotonic() - calmed
        before_urgent = overtaken(settings, stack, feed, weather.producer, weather.tick) if is_at_rest else None
        is_at_rest = is_at_rest and weather.rest()
        findings = audit.examine(
            stack.trigger_log, stack.folder, feed.expected, feed.jobs, faults.struck, faults.steps, weather.watch.seen
        )
        if storm.keep:
            stack.trigger_log.dump(stack.folder)
            (stack.folder / "faults.txt").write_text("".join(f"{each.at:.3f} {each.name}\n" for each in faults.struck))
            (stack.folder / "steps.txt").write_text("".join(f"{at:.3f} {ahead:+.0f}\n" for at, ahead in faults.steps))
        if before_urgent is None or before_urgent > SLOTS:
            findings.problem(f"{before_urgent} batches started before an urgent job, {SLOTS} may")
        if not is_at_rest:
            findings.problem(f"no rest within {_REST_SECONDS:.0f} s after the last fault")
        return ChaosReport(
            database=storm.database,
            seed=storm.seed,
            seconds=time.monotonic() - began,
            faults=len(faults.struck),
            faults_by_name=faults.by_name(),
            rest_seconds=rest_seconds,
            overtaken=before_urgent,
            findings=findings,
            folder=str(stack.folder) if storm.keep else None,
        )


class _Weather:
    """Feeds the stack and injects faults, or waits until the stack has no work left."""

    def __init__(self, stack: Stack, producer: Producer, faults: Faults, report: Callable[[str], None]) -> None:
        self.producer = producer
        self.watch = MessageWatch(stack.folder / "redis.sock")
        self._stack = stack
        self._faults = faults
        self._report = report
        self._reported_at = time.monotonic()

    def storm(self, seconds: float) -> None:
        """Feed and inject faults for some seconds."""
        until = time.monotonic() + seconds
        strike_at = time.monotonic() + _FIRST_FAULT
        while (now := time.monotonic()) < until:
            if now >= strike_at:
                self._faults.strike()
                strike_at = now + random.uniform(*_BETWEEN_FAULTS)  # noqa: S311
            self.tick(more=True)

    def rest(self) -> bool:
        """End every fault, and wait until all is read and no job is active; return False if that takes too long."""
        self._faults.resume_due(at_once=True)
        deadline = time.monotonic() + _REST_SECONDS
        while not (self.tick() and self._active() == 0):
            if time.monotonic() > deadline:
                return False
        return True

    def tick(self, *, more: bool = False) -> bool:
        """Restart what has ended, end the faults that are due, feed; return whether all that was written is read."""
        self._stack.tend()
        self._faults.resume_due()
        self.watch.tick()
        is_read = self.producer.tend(more=more)
        if time.monotonic() - self._reported_at > _REPORT_SECONDS:
            self._reported_at = time.monotonic()
            self._report(f"{len(self._faults.struck)} faults, {self._active()} jobs active")
        time.sleep(_TICK)
        return is_read

    def _active(self) -> int | None:
        try:
            return self._stack.trigger_log.count(f"SELECT count(*) FROM jobs WHERE state IN {one_of(ACTIVE_STATES)}")  # noqa: S608
        except TriggerLog.TROUBLE:
            return None
