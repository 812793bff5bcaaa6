"""Ends a worker whose consumer is stalled: messages wait in its queues and it takes none. It is started again
by whatever watches over it: `cobalt up`, compose, systemd.
"""

import logging
import os
import threading
from collections.abc import Callable
from typing import Any, Final

from celery import signals

from cobalt_tasks.core import settings as environment
from cobalt_tasks.core.errors import BrokerUnavailableError
from cobalt_tasks.core.timeouts import STALLED_SECONDS
from cobalt_tasks.jobs.broker import Broker

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 5.0
EXIT: Final = 70
"""EX_SOFTWARE of sysexits.h."""


class ConsumerWatchdog:
    """Compares what waits with what was taken. It counts its checks: a worker that was paused does not end itself."""

    def __init__(self, waiting: Callable[[], int], looks: int) -> None:
        """Start with no check failed.

        waiting: returns the number of messages in this worker's queues, or raises BrokerUnavailableError.
        looks: failed checks in a row after which the consumer counts as stalled, 1 or more.
        """
        self._waiting = waiting
        self._looks = looks
        self._silent = 0
        self._taken = 0

    def took(self, **_: object) -> None:
        """Count a message that was taken."""
        self._taken += 1

    def is_stalled(self) -> bool:
        """Check once; return True if nothing was taken while messages waited in the last `looks` checks in a row."""
        taken, self._taken = self._taken, 0
        try:
            is_silent = not taken and self._waiting() > 0
        except BrokerUnavailableError:
            is_silent = False
        self._silent = self._silent + 1 if is_silent else 0
        return self._silent >= self._looks


@signals.worker_ready.connect
def _start_watchdog(sender: Any, **_: object) -> None:
    """Watch from a thread of the worker's main process, beside the loop that may hang."""
    broker = Broker(environment.load())

    queues: list[str] = []

    def waiting() -> int:
        # Between two connections there is no consumer, and the queues are those it had.
        if sender.task_consumer is not None:
            queues[:] = [queue.name for queue in sender.task_consumer.queues]
        return sum(sum(broker.depth_by_level(queue).values()) for queue in queues)

    watchdog = ConsumerWatchdog(waiting, int(STALLED_SECONDS / LOOK_SECONDS))
    signals.task_received.connect(watchdog.took, weak=False)

    def watch() -> None:
        while not stopping.wait(LOOK_SECONDS):
            _repair(broker)
            if watchdog.is_stalled():
                log.critical(
                    "took nothing for %.0f s while messages wait: ending, to be started again", STALLED_SECONDS
                )
                os._exit(EXIT)

    stopping = threading.Event()
    signals.worker_shutting_down.connect(lambda **_: stopping.set(), weak=False)
    threading.Thread(target=watch, name="consumer watchdog", daemon=True).start()


def _repair(broker: Broker) -> None:
    """Delete what makes Redis refuse every delivery. The worker is the one to do it: without it no sweep arrives either."""
    try:
        found = broker.remove_foreign_keys()
    except BrokerUnavailableError:
        return
    if found:
        log.error(
            "deleted Redis keys that were of a wrong type, something else writes to this Redis: %s", ", ".join(found)
        )
