"""Runs one probe among others in an event loop, and notices when something holds that loop up.

A hostile peer can make the loop compute: a huge number in a handshake, a pathological answer. Meanwhile the clocks of all
other probes run on, and their silence proves nothing about their targets.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from cobalt_tasks.core.addresses import Scope
from cobalt_tasks.core.catalog import BY_NAME
from cobalt_tasks.core.records import HELD_UP, Job, Outcome, Verdict
from cobalt_tasks.core.timeouts import JOB_SECONDS
from workers.net import Net
from workers.probes.unanswered import out_of_scope

log = logging.getLogger(__name__)

Probe = Callable[[Job, Net], Awaitable[Outcome]]

MOST_LAG: Final = 0.5
"""Seconds the loop may stand still while a job runs, all in all, before its time-outs are doubted."""

_MOST_SHARE: Final = 0.5
"""The share of a job's time: of a thousand jobs on a busy machine, all are served late, and none is held up."""

_TICK: Final = 0.05
_DECAY: Final = 0.9
_BUSY: Final = 0.2
"""Lateness of one tick that is put down to a busy machine, in seconds."""

_DOUBTFUL: Final = frozenset({"timeout", "silent", "closed", "reset", "no resolver"})
"""Outcomes a probe may have because it was not served in time."""

_PAUSE: Final = 2.0


class LoopLag:
    """Measures how long an event loop stands still while others are to run in it."""

    def __init__(self) -> None:
        """Start at nothing; in the loop."""
        self._loop = asyncio.get_running_loop()
        self._seconds = 0.0
        self.recent = 0.0
        """How late it was lately, in seconds: the most, which is halved every third of a second."""
        self._due = self._loop.time() + _TICK

    async def watch(self) -> None:
        """Add up how late the loop is, until cancelled."""
        while True:
            self._due = self._loop.time() + _TICK
            await asyncio.sleep(_TICK)
            self._seconds = self.seconds
            self.recent = max(self.late, _DECAY * self.recent)

    @property
    def seconds(self) -> float:
        """How long it stood still, all in all, up to now."""
        late = self.late
        return self._seconds + (late if late > _BUSY else 0.0)

    @property
    def now(self) -> float:
        """The loop's clock, in seconds."""
        return self._loop.time()

    @property
    def late(self) -> float:
        """By how many seconds the next tick is late already; 0 or less when it is not due."""
        return self._loop.time() - self._due


async def run_guarded(probe: Probe, job: Job, net: Net, lag: LoopLag, seconds: float = JOB_SECONDS) -> Outcome:
    """Return the outcome of one job: whatever its probe does, and within its time.

    If the loop stood still for more than `MOST_LAG` seconds and half of the time meanwhile, a time-out is not final. The
    job runs again with a few others, then isolated in a batch of its own, where only the target itself can hold the loop
    up; the attempts of such runs are bounded.

    Args:
        probe: of the job's kind.
        job: the job, claimed.
        net: the network.
        lag: of the loop.
        seconds: the longest it may take.

    """
    # By the ledger's row: a job may be older than the scope that holds now.
    if not _may_run(job, net.scope):
        return out_of_scope(job)
    before, started = lag.seconds, lag.now
    try:
        async with asyncio.timeout(seconds):
            outcome = await probe(job, net)
    except TimeoutError:
        outcome = Outcome(job=job, verdict=Verdict.FAILED, code="timeout", detail=f"no end after {seconds:.0f} s")
    except Exception as error:
        log.exception("%s of %s failed", job.kind, job.address)
        return fault(job, error)
    stood_still = lag.seconds - before
    if stood_still <= max(MOST_LAG, _MOST_SHARE * (lag.now - started)):
        return outcome
    return _doubted(outcome, stood_still)


def fault(job: Job, error: Exception) -> Outcome:
    """Return the outcome of a job on which our own code failed.

    job: the job; error: what was raised, the outcome's detail names its type and text.
    """
    return Outcome(job=job, verdict=Verdict.FAULT, code="fault", detail=f"{type(error).__name__}: {error}")


def held_up(job: Job, detail: str) -> Outcome:
    """Return the outcome of a job whose worker was held up, perhaps by another job.

    job: the job; detail: one line of text for the user.
    """
    return Outcome(job=job, verdict=Verdict.HELD_UP, code=HELD_UP, detail=detail)


def _may_run(job: Job, scope: Scope) -> bool:
    if BY_NAME[job.kind].is_active:
        return scope.allows(job.address, discovered=job.discovered)
    return not scope.excludes(job.address)


def _doubted(outcome: Outcome, seconds: float) -> Outcome:
    if outcome.verdict not in {Verdict.FAILED, Verdict.RETRY} or outcome.code not in _DOUBTFUL:
        return outcome
    if outcome.job.isolated:
        return msgspec.structs.replace(outcome, verdict=Verdict.RETRY, after=outcome.after or _PAUSE)
    log.warning("%s: the loop stood still for %.1f s; a time-out is tried again", outcome.job.kind, seconds)
    return held_up(outcome.job, f"{outcome.code}, while the loop of its worker stood still for {seconds:.1f} s")
