"""What beat asks for every few seconds: find what was lost, take back what was abandoned, refresh what went stale, and
send what is waiting. Harmless when several run at once.
"""

import logging

from cobalt_tasks.catalog import DAY, KINDS, STEPS, Kind
from cobalt_tasks.dispatch import Dispatcher
from cobalt_tasks.settings import Settings
from cobalt_tasks.storage import job_admin, jobs, locks
from cobalt_tasks.storage.engine import Database
from cobalt_tasks.timing import LOST_AFTER_SECONDS, SWEEP_SECONDS

_REFRESHED_AT_ONCE = 1000

log = logging.getLogger(__name__)


def sweep(database: Database, dispatcher: Dispatcher, settings: Settings) -> None:
    """Do one round, unless another process has just done it.

    Raises:
        BrokerUnavailableError: Redis does not answer; what the ledger alone needs is done by then.
        DatabaseUnavailableError: the database does not.

    """
    if not database.write(locks.take, "sweep", SWEEP_SECONDS / 2):
        return
    if taken := database.write(jobs.take_back):
        log.warning("took back %d jobs whose worker was lost", taken)
    database.write(job_admin.prune, settings.history_days * DAY)
    for kind in KINDS:
        if not kind.active or settings.refresh_active:
            database.write(jobs.refresh, kind.name, _REFRESHED_AT_ONCE)
        _resend_lost(database, dispatcher, kind)
    dispatcher.top_up(kind.name for kind in KINDS)


def _resend_lost(database: Database, dispatcher: Dispatcher, kind: Kind) -> None:
    """Send again what was sent before the oldest message that still waits: its own message has been taken by a worker
    that never claimed it, or has gone with Redis.
    """
    oldest = dispatcher.broker.oldest(kind.name)
    for step in STEPS:
        lost = database.write(jobs.resend, kind.name, step, oldest[step], LOST_AFTER_SECONDS)
        if lost:
            log.warning("sending %d %s jobs again: their messages are lost", lost, kind.name)
