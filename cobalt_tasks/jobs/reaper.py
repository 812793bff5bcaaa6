"""What beat sends for every few seconds: find lost messages, reap abandoned claims, refresh stale facts, and
send what is waiting. Harmless when several run at once.
"""

import logging
from collections.abc import Callable, Sequence
from functools import partial

from cobalt_tasks.core import keep_limits
from cobalt_tasks.core.catalog import KINDS, LEVELS
from cobalt_tasks.core.kinds import Kind
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.core.timeouts import LOST_AFTER_SECONDS
from cobalt_tasks.db import clocks, counts
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts import ledger_size, traffic_counts
from cobalt_tasks.jobs import admin as job_admin
from cobalt_tasks.jobs import backlog, clock_repair, creation, host_limits, leases, rounds, store
from cobalt_tasks.jobs.dispatcher import Dispatcher
from cobalt_tasks.jobs.host_limits import DEFAULT, Limits

_REFRESHED_AT_ONCE = 1000
_RELEVELED_AT_ONCE = 2000
_MEND_SECONDS = 5.0

log = logging.getLogger(__name__)


def sweep(
    database: Database, dispatcher: Dispatcher, wake: Callable[[], object] = int, limits: Limits = DEFAULT
) -> bool:
    """Do one round, unless one is being done or has just been; return whether it was.

    database: the ledger; dispatcher: sends what is due.
    wake: called at the end, to wake workers for the jobs that wait for something shared.
    limits: the most jobs that may run for each host and network.

    Raises:
        BrokerUnavailableError: Redis does not answer; what the ledger alone needs is done by then.
        DatabaseUnavailableError: the database does not.

    """

    def work() -> None:
        look_at_clock(database)
        if taken := database.write(leases.reap):
            log.warning("reaped %d jobs whose worker was lost", taken)
        database.write(host_limits.unpark_forgotten, limits)
        for kind in KINDS:
            _relevel(database, kind)
            _resend_lost(database, dispatcher, kind)
        dispatcher.dispatch(kind.name for kind in KINDS)
        wake()

    return rounds.run(database, rounds.SWEEP, work)


def upkeep(
    database: Database, settings: Settings, *others: Callable[[], object], by_age: Sequence[Callable[[], object]] = ()
) -> bool:
    """Do one round of what may wait: make refresh jobs, delete old ones, then `others`; return whether it was done.

    One of them that fails keeps none of the others from being done.

    Args:
        database: the ledger.
        settings: how long jobs are kept, and whether active kinds are refreshed.
        others: what else is done.
        by_age: what goes by the age of something, and is done before `others`: it is left out while the clock is not
            trusted, for all would seem old by a clock that is a day ahead.

    Raises:
        Exception: what the first that failed raised.

    """

    def work() -> None:
        failures: list[Exception] = []
        parts: list[Callable[[], object]] = [partial(_fold, database)]
        if database.write(clocks.observe).is_trusted:
            parts += [partial(_refresh, database, settings), *by_age]
        parts += others
        for part in parts:
            try:
                part()
            except Exception as error:  # noqa: BLE001  # raised below
                failures.append(error)
        if failures:
            raise failures[0]

    return rounds.run(database, rounds.UPKEEP, work)


def _fold(database: Database) -> None:
    for keep in (counts.fold, traffic_counts.fold, ledger_size.record):
        database.write(keep)


def _refresh(database: Database, settings: Settings) -> None:
    if (limit := settings.keep_jobs or keep_limits.of_days(settings.history_days)) is not None:
        database.write(job_admin.prune, limit)
    for kind in KINDS:
        if not kind.is_active or settings.refresh_active:
            database.write(creation.refresh, kind.name, _REFRESHED_AT_ONCE)


def look_at_clock(database: Database) -> bool:
    """Notice a step of the database's clock, and mend what lies in the future by it; return whether it may be trusted.

    While it may not, the upkeep does nothing that goes by the age of something.
    """
    seen = database.write(clocks.observe)
    if seen.step:
        log.warning("the database's clock was set %+.1f s", seen.step)
    may_be_ahead = seen.step < 0 or seen.is_new or seen.is_doubted
    is_mended = clock_repair.mend(database, _MEND_SECONDS) if may_be_ahead else True
    if is_mended:
        database.write(clocks.record)
    return seen.is_trusted


def _relevel(database: Database, kind: Kind) -> None:
    """Make jobs sendable whose level another version of the catalog wrote, some in each round."""
    with database.reading() as connection:
        levels = backlog.unknown_levels(connection, kind)
    for level in levels:
        count = database.write(store.relevel, kind, level, _RELEVELED_AT_ONCE)
        log.warning(
            "%d %s jobs had the level %d of another version and got one of this version", count, kind.name, level
        )


def _resend_lost(database: Database, dispatcher: Dispatcher, kind: Kind) -> None:
    """Send again what was sent before the oldest message that still waits: its own message has been taken by a worker
    that never claimed it, or has gone with Redis.
    """
    oldest = dispatcher.broker.oldest(kind.name)
    for level in LEVELS:
        lost = database.write(store.resend, kind.name, level, oldest[level], LOST_AFTER_SECONDS)
        if lost:
            log.warning("sending %d %s jobs again: their messages are lost", lost, kind.name)
