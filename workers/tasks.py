"""The tasks that do jobs, one for each entry of the catalog: claim, run, one transaction back."""

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Final

from msgspec import Meta, Struct, ValidationError, convert

from cobalt_tasks.celery import app
from cobalt_tasks.core.catalog import BY_NAME, KINDS
from cobalt_tasks.core.errors import BrokerUnavailableError, exit_on_wrong_configuration
from cobalt_tasks.core.records import Job, Outcome, Verdict
from cobalt_tasks.core.timeouts import LEASE_SECONDS
from cobalt_tasks.jobs import store as jobs
from cobalt_tasks.jobs.completion import complete
from cobalt_tasks.jobs.store import Claim
from workers import runners
from workers.batches import fault
from workers.context import WorkerContext, worker_context
from workers.held_claims import holding
from workers.retry import until_database_answers
from workers.runners import Probes, Runner
from workers.window import roll

log = logging.getLogger(__name__)


class BatchResult(Struct, frozen=True):
    """A batch that was done: how many jobs, and the kinds of those that follow from it."""

    done: int = 0
    following: set[str] = set()


with exit_on_wrong_configuration():
    RUNNERS: Final[dict[str, Runner | Probes]] = {kind.name: runners.load(kind) for kind in KINDS}


def ids_of(kind: str, arguments: tuple[object, ...], named: Mapping[str, object]) -> list[int] | None:
    """Return the ids of jobs a message carries, None if it is not one of the dispatcher's.

    Others than this program can write to Redis: what they write costs one line in the log.

    kind: of the queue; arguments, named: the positional and keyword arguments of the message, of any type.
    """
    try:
        (ids,) = convert((*arguments, *named.items()), tuple[list[Annotated[int, Meta(ge=1, le=2**63 - 1)]]])
    except ValidationError as error:
        complaint = str(error)
    else:
        most = BY_NAME[kind].most
        if len(ids) <= most:
            return ids
        complaint = f"{len(ids)} jobs, though at most {most} travel together"
    log.warning("a message in the queue %s is none of the dispatcher's and is dropped: %s", kind, complaint)
    return None


def work(kind: str, ids: Sequence[int]) -> None:
    """Do the jobs that a message names, if they are not done yet, and send what follows.

    Args:
        kind: their kind.
        ids: their ids; they need not exist.

    """
    own, runner = worker_context(), RUNNERS[kind]
    if isinstance(runner, Probes):
        window = roll(own, runner, ids)
        send_following(own, kind, BatchResult(window.done, window.following))
        return
    started = time.monotonic()
    claim = until_database_answers(lambda: own.database.write(jobs.claim, kind, ids, LEASE_SECONDS))
    batch = run_claimed(own, claim, runner)
    try:
        own.dispatcher.record_throughput(kind, batch.done, time.monotonic() - started)
    except BrokerUnavailableError as error:
        log.warning("nothing sent, the sweep will: %s", error)
    else:
        send_following(own, kind, batch)


def send_following(own: WorkerContext, kind: str, batch: BatchResult) -> None:
    """Send due jobs of a kind and of those that follow from a batch; without Redis, the sweep does.

    Args:
        own: what this process has.
        kind: the kind of the batch.
        batch: its result.

    """
    try:
        own.dispatcher.dispatch({kind, *batch.following})
    except BrokerUnavailableError as error:
        log.warning("nothing sent, the sweep will: %s", error)


def run_claimed(own: WorkerContext, claim: Claim, run: Runner) -> BatchResult:
    """Run claimed jobs, and commit their outcomes in one transaction.

    Args:
        own: what this process has.
        claim: the jobs; its lease is renewed until they are finished.
        run: returns one outcome for each job.

    """
    if not claim.jobs:
        return BatchResult()
    with holding(own.database, claim.token):
        outcomes = _outcomes(own, claim.jobs, run)
        following = until_database_answers(lambda: own.database.write(complete, claim.token, outcomes))
    log.info(
        "%s: %d jobs, %d done",
        claim.jobs[0].kind,
        len(outcomes),
        sum(outcome.verdict is Verdict.DONE for outcome in outcomes),
    )
    return BatchResult(len(outcomes), following)


def _outcomes(own: WorkerContext, batch: Sequence[Job], run: Runner) -> list[Outcome]:
    try:
        return run(own, batch)
    except Exception as error:
        log.exception("a whole batch of %d jobs failed", len(batch))
        return [fault(job, error) for job in batch]


def _bind(kind: str) -> None:
    @app.task(name=BY_NAME[kind].task, max_retries=2, default_retry_delay=1)
    def task(*arguments: object, **named: object) -> None:
        if ids := ids_of(kind, arguments, named):
            work(kind, ids)


for _kind in KINDS:
    _bind(_kind.name)
