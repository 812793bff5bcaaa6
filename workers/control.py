"""The control task: what beat asks for every few seconds; and the task that sends alerts."""

import logging
import threading
from collections.abc import Callable
from functools import partial

from cobalt_tasks.alerts import evaluate, outbox, sending
from cobalt_tasks.celery import app
from cobalt_tasks.core import own_networks
from cobalt_tasks.core.catalog import ALERTS_TASK, SWEEP_TASK
from cobalt_tasks.core.errors import BrokerUnavailableError, DatabaseUnavailableError
from cobalt_tasks.core.kinds import CONTROL_QUEUE
from cobalt_tasks.core.timeouts import SWEEP_SECONDS
from cobalt_tasks.hosts import expirations, flows, traffic_counts
from cobalt_tasks.hosts.search import texts
from cobalt_tasks.ingest.streams import leftover
from cobalt_tasks.jobs import refusals, rounds
from cobalt_tasks.jobs.host_limits import Limits
from cobalt_tasks.jobs.reaper import sweep, upkeep
from cobalt_tasks.threat import peer_countries, scoring
from workers.context import WorkerContext, worker_context

log = logging.getLogger(__name__)

_logged: dict[str, str] = {}
"""Why the last round of each sort failed in this process: a traceback is logged once for each reason."""


# Without events: in Flower's list of tasks, rounds every few seconds would leave room for little else.
@app.task(name=SWEEP_TASK, queue=CONTROL_QUEUE, send_events=False)
def control(*_arguments: object, **_named: object) -> None:
    """Do one round of the sweep, and one of what may wait: a process that does the second leaves the first to others."""
    own = worker_context()
    _do(rounds.SWEEP, partial(sweep, own.database, own.dispatcher, partial(_wake, own), Limits.of(own.settings)))
    by_age = (
        partial(expirations.note, own.database),
        partial(refusals.try_again, own.database),
        partial(_expire_notes, own),
        partial(own.database.write, flows.expire),
        partial(own.database.write, traffic_counts.expire),
        partial(_expire, own),
    )
    others = (
        partial(own.geolocator.expire_older_builds, own.database),
        partial(texts.index, own.database),
        partial(own.facets.refresh, own.database),
        partial(own.map_cells.refresh, own.database),
        partial(_count_flows, own),
        partial(_note_peers, own),
        partial(evaluate.evaluate, own.database, own.settings.home),
        # Last: it takes what is left of the round's time.
        partial(_score, own),
    )
    _do(rounds.UPKEEP, partial(upkeep, own.database, own.settings, *others, by_age=by_age))
    _do(ALERTS_TASK, partial(_start_sending, own))


@app.task(name=ALERTS_TASK, queue=CONTROL_QUEUE, send_events=False)
def send_alerts(*_arguments: object, **_named: object) -> None:
    """Send the alerts that are due, unless another process does."""
    own = worker_context()
    _do("sending of alerts", lambda: sending.send_due(own.database, own.settings.home) >= 0)


def _start_sending(own: WorkerContext) -> bool:
    """Ask for a sender where alerts are due: receivers may be slow, and the sweep may not."""
    with own.database.reading() as connection:
        is_due = outbox.has_due(connection)
    if is_due:
        send_alerts.apply_async(priority=0)
    return True


def _note_peers(own: WorkerContext) -> None:
    peer_countries.note(own.database, own_networks.load(own.settings.home))


def _count_flows(own: WorkerContext) -> None:
    flows.keep_up(own.database, own_networks.load(own.settings.home))


def _expire(own: WorkerContext) -> None:
    if (limit := own.settings.keep_journals) is not None:
        leftover.expire(own.settings.journal_folder, limit)
    own.retention.run(own.database)


def _do(name: str, work: Callable[[], bool]) -> None:
    try:
        if work():
            _logged.pop(name, None)
    except Exception as error:
        reason = rounds.reason(error)
        is_new = _logged.get(name) != reason
        _logged[name] = reason
        log.warning("the %s failed: %s", name, reason, exc_info=is_new)


def _wake(own: WorkerContext) -> None:
    own.dispatcher.wake(own.geolocator.worthwhile_calls(own.database))
    # A quota that opens before the next sweep is not to wait for it.
    calls, after = own.geolocator.later_calls(own.database, SWEEP_SECONDS)
    if calls:
        _wake_later(own, calls, after)


def _wake_later(own: WorkerContext, calls: int, seconds: float) -> None:
    """Wake workers after some seconds by this process's clock: a message with a start time would go by another's."""

    def ring() -> None:
        try:
            own.dispatcher.wake(calls)
        except (BrokerUnavailableError, DatabaseUnavailableError) as error:
            log.warning("no worker was woken for a provider, the next sweep does it: %s", error)

    timer = threading.Timer(seconds, ring)
    timer.daemon = True
    timer.start()


def _expire_notes(own: WorkerContext) -> None:
    # Within the round: rules that cannot be read are its failure.
    scoring.expire_notes(own.database, own.rules)


def _score(own: WorkerContext) -> None:
    scoring.keep_up(own.database, own.rules)
