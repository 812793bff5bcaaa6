"""Runs the probes of one batch side by side in one event loop, and notices when something holds that loop up.

A hostile peer can make the loop compute: a huge number in a handshake, a pathological answer. Meanwhile the clocks of all
other probes run on, and their silence says nothing about their targets.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from cobalt_tasks.core.addresses import Scope
from cobalt_tasks.core.catalog import BY_NAME
from cobalt_tasks.core.records import Job, Outcome, Verdict
from cobalt_tasks.core.timeouts import JOB_SECONDS
from workers.net import Net
from workers.probes.unanswered import out_of_scope

log = logging.getLogger(__name__)

Probe = Callable[[Job, Net], Awaitable[Outcome]]

MOST_LAG: Final = 0.5
"""Seconds the loop of a batch may stand still, all in all, before its time-outs are doubted."""

_TICK: Final = 0.05
_BUSY: Final = 0.2
"""Lateness of one tick that is put down to a busy machine, in seconds."""

_DOUBTFUL: Final = frozenset({"timeout", "silent", "closed", "reset", "no resolver"})
"""Outcomes a probe may have because it was not served in time."""

_PAUSE: Final = 2.0


class LoopLag:
    """Measures how long an event loop stands still while others are to run in it."""

    def __init__(self) -> None:
        """Start at nothing."""
        self.seconds = 0.0

    async def watch(self) -> None:
        """Add up how late the loop is, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _TICK
            await asyncio.sleep(_TICK)
            late = loop.time() - due
            self.seconds += late if late > _BUSY else 0.0


async def side_by_side(probe: Probe, batch: Sequence[Job], net: Net) -> list[Outcome]:
    """Return one outcome for each job, each under its own deadline.

    If the loop stood still for more than `MOST_LAG` seconds, time-outs are not final. Their jobs run again, each isolated
    in a batch of its own, where only the target itself can hold the loop up; the attempts of such runs are bounded.
    """
    lag = LoopLag()
    watching = asyncio.create_task(lag.watch())
    try:
        outcomes = await asyncio.gather(*(_guarded(probe, job, net) for job in batch))
    finally:
        watching.cancel()
    if lag.seconds <= MOST_LAG:
        return outcomes
    log.warning("%s: the loop stood still for %.1f s; time-outs are tried again", batch[0].kind, lag.seconds)
    return [_doubted(outcome, lag.seconds) for outcome in outcomes]


def fault(job: Job, error: Exception) -> Outcome:
    """Return the outcome of a job on which our own code failed."""
    return Outcome(job=job, verdict=Verdict.FAULT, code="fault", detail=f"{type(error).__name__}: {error}")


async def _guarded(probe: Probe, job: Job, net: Net) -> Outcome:
    # By the ledger's row: a job may be older than the scope that holds now.
    if not _may_run(job, net.scope):
        return out_of_scope(job)
    try:
        return await asyncio.wait_for(probe(job, net), JOB_SECONDS)
    except TimeoutError:
        return Outcome(job=job, verdict=Verdict.FAILED, code="timeout", detail=f"no end after {JOB_SECONDS:.0f} s")
    except Exception as error:
        log.exception("%s of %s failed", job.kind, job.address)
        return fault(job, error)


def _may_run(job: Job, scope: Scope) -> bool:
    if BY_NAME[job.kind].is_active:
        return scope.allows(job.address, discovered=job.discovered)
    return not scope.excludes(job.address)


def _doubted(outcome: Outcome, seconds: float) -> Outcome:
    if outcome.verdict not in {Verdict.FAILED, Verdict.RETRY} or outcome.code not in _DOUBTFUL:
        return outcome
    if outcome.job.isolated:
        return msgspec.structs.replace(outcome, verdict=Verdict.RETRY, after=outcome.after or _PAUSE)
    detail = f"{outcome.code}, while the loop of its batch stood still for {seconds:.1f} s"
    return Outcome(job=outcome.job, verdict=Verdict.FAULT, code="held up", detail=detail)
