"""Binds each line of the catalog to its probe: claim, probe, one transaction back."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from msgspec import Struct

from cobalt_tasks.catalog import BY_NAME, KINDS
from cobalt_tasks.celery import app
from cobalt_tasks.contracts import Job, Outcome, Verdict
from cobalt_tasks.errors import BrokerUnavailableError, DatabaseUnavailableError
from cobalt_tasks.storage import jobs
from cobalt_tasks.storage.completion import complete
from cobalt_tasks.storage.jobs import Claim
from cobalt_tasks.timing import JOB_SECONDS, LEASE_SECONDS
from workers.lifecycle import Process, holding, process
from workers.net import Net
from workers.probes import banner, certificate, domain

log = logging.getLogger(__name__)

T = TypeVar("T")
Probe = Callable[[Job, Net], Awaitable[Outcome]]
Runner = Callable[[Process, Sequence[Job]], list[Outcome]]


class Batch(Struct, frozen=True):
    """A batch that was done: how many jobs, and the kinds of those that follow from it."""

    done: int = 0
    following: set[str] = set()


def each(probe: Probe) -> Runner:
    """Return a runner that probes all jobs of a batch at once, each under its own deadline."""

    def run(own: Process, batch: Sequence[Job]) -> list[Outcome]:
        net = Net(own.scope, own.settings.probe_timeout, own.settings.resolvers)

        async def together() -> list[Outcome]:
            return await asyncio.gather(*(_guarded(probe, job, net) for job in batch))

        return asyncio.run(together())

    return run


def locate(own: Process, batch: Sequence[Job]) -> list[Outcome]:
    """Ask the local databases; what they do not know waits for a provider's budget."""
    return own.geolocator.local(batch)


RUNNERS: dict[str, Runner] = {
    "banner": each(banner.probe),
    "domain": each(domain.probe),
    "geolocation": locate,
    "certificate": each(certificate.probe),
}


def work(kind: str, ids: Sequence[int]) -> None:
    """Do the jobs a message named, as far as they are still to be done; a message without any rings for a provider."""
    own = process()
    began = time.monotonic()
    batch = _work_named(own, kind, ids) if ids else _work_remotely(own)
    try:
        if ids:
            own.dispatcher.learn(kind, batch.done, time.monotonic() - began)
        own.dispatcher.top_up({kind, *batch.following})
    except BrokerUnavailableError as error:
        log.warning("nothing sent, the sweep will: %s", error)


def _work_named(own: Process, kind: str, ids: Sequence[int]) -> Batch:
    claim = _patiently(lambda: own.database.write(jobs.claim, ids, LEASE_SECONDS))
    return _do(own, claim, RUNNERS[kind])


def _work_remotely(own: Process) -> Batch:
    """Spend one call of a geolocation provider on jobs that wait for it."""
    call = own.geolocator.reserve(own.database, LEASE_SECONDS)
    return _do(own, call.claim, lambda _, batch: call.ask(batch)) if call else Batch()


def _do(own: Process, claim: Claim, run: Runner) -> Batch:
    if not claim.jobs:
        return Batch()
    with holding(own.database, claim.token):
        outcomes = _outcomes(own, claim.jobs, run)
        following = _patiently(lambda: own.database.write(complete, claim.token, outcomes))
    log.info(
        "%s: %d jobs, %d done",
        claim.jobs[0].kind,
        len(outcomes),
        sum(outcome.verdict is Verdict.DONE for outcome in outcomes),
    )
    return Batch(len(outcomes), following)


def _patiently(write: Callable[[], T]) -> T:
    """Write, once more and again while the database is away, as long as a claim can hold: its token makes that safe.

    Raises:
        DatabaseUnavailableError: it stayed away.

    """
    give_up_at = time.monotonic() + LEASE_SECONDS
    while True:
        try:
            return write()
        except DatabaseUnavailableError:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(random.uniform(0.2, 0.8))  # noqa: S311


def _outcomes(own: Process, batch: Sequence[Job], run: Runner) -> list[Outcome]:
    try:
        return run(own, batch)
    except Exception as error:
        log.exception("a whole batch of %d jobs failed", len(batch))
        return [_fault(job, error) for job in batch]


async def _guarded(probe: Probe, job: Job, net: Net) -> Outcome:
    try:
        return await asyncio.wait_for(probe(job, net), JOB_SECONDS)
    except TimeoutError:
        return Outcome(job=job, verdict=Verdict.FAILED, code="timeout", detail=f"no end after {JOB_SECONDS:.0f} s")
    except Exception as error:
        log.exception("%s of %s failed", job.kind, job.address)
        return _fault(job, error)


def _fault(job: Job, error: Exception) -> Outcome:
    return Outcome(job=job, verdict=Verdict.FAULT, code="fault", detail=f"{type(error).__name__}: {error}")


def _bind(kind: str) -> None:
    @app.task(name=BY_NAME[kind].task, max_retries=2, default_retry_delay=1)
    def task(ids: list[int]) -> None:
        work(kind, ids)


for _kind in KINDS:
    _bind(_kind.name)
