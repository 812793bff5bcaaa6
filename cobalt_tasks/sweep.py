"""What beat asks for every few seconds: find what was lost, take back what was abandoned, refresh what went stale, and
send what is waiting. Harmless when several run at once.
"""

import logging
from collections.abc import Callable
from functools import partial

from cobalt_tasks import rounds
from cobalt_tasks.catalog import DAY, KINDS, STEPS, Kind
from cobalt_tasks.dispatch import Dispatcher
from cobalt_tasks.settings import Settings
from cobalt_tasks.storage import counts, job_admin, jobs
from cobalt_tasks.storage.engine import Database
from cobalt_tasks.timing import LOST_AFTER_SECONDS

_REFRESHED_AT_ONCE = 1000

log = logging.getLogger(__name__)


def sweep(database: Database, dispatcher: Dispatcher, wake: Callable[[], object] = int) -> bool:
    """Do one round, unless one is being done or has just been; return whether it was.

    `wake`: called at the end, to wake workers for what waits for something shared.

    Raises:
        BrokerUnavailableError: Redis does not answer; what the ledger alone needs is done by then.
        DatabaseUnavailableError: the database does not.

    """

    def work() -> None:
        if taken := database.write(jobs.take_back):
            log.warning("took back %d jobs whose worker was lost", taken)
        for kind in KINDS:
            _resend_lost(database, dispatcher, kind)
        dispatcher.top_up(kind.name for kind in KINDS)
        wake()

    return rounds.run(database, rounds.SWEEP, work)


def upkeep(database: Database, settings: Settings, *others: Callable[[], object]) -> bool:
    """Do one round of what may wait: make refresh jobs, delete old ones, then `others`; return whether it was done.

    One of them that fails keeps none of the others from being done.

    Raises:
        Exception: what the first that failed raised.

    """

    def work() -> None:
        failures: list[Exception] = []
        parts: list[Callable[[], object]] = [partial(_refresh, database, settings), *others]
        for part in parts:
            try:
                part()
            except Exception as error:  # noqa: BLE001  # raised below
                failures.append(error)
        if failures:
            raise failures[0]

    return rounds.run(database, rounds.UPKEEP, work)


def _refresh(database: Database, settings: Settings) -> None:
    database.write(job_admin.prune, settings.history_days * DAY)
    database.write(counts.fold)
    for kind in KINDS:
        if not kind.active or settings.refresh_active:
            database.write(jobs.refresh, kind.name, _REFRESHED_AT_ONCE)


def _resend_lost(database: Database, dispatcher: Dispatcher, kind: Kind) -> None:
    """Send again what was sent before the oldest message that still waits: its own message has been taken by a worker
    that never claimed it, or has gone with Redis.
    """
    oldest = dispatcher.broker.oldest(kind.name)
    for step in STEPS:
        lost = database.write(jobs.resend, kind.name, step, oldest[step], LOST_AFTER_SECONDS)
        if lost:
            log.warning("sending %d %s jobs again: their messages are lost", lost, kind.name)
