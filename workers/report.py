"""What a worker answers about itself, live, when health is asked for: its queues, its open files, its clock."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from celery import signals
from celery.worker.control import inspect_command

from cobalt_tasks.core import settings
from cobalt_tasks.core.catalog import REPORT_COMMAND
from cobalt_tasks.core.errors import CobaltError
from cobalt_tasks.core.machine import ClockWatch, descriptors
from cobalt_tasks.db.schema import open_ledger
from cobalt_tasks.jobs import starts

_clock = ClockWatch()


@signals.celeryd_init.connect
def _remember_start(sender: str, **_: object) -> None:
    """Leave a trace of every start, so that a worker that restarts in a loop is noticed wherever it runs."""
    _write(starts.add, sender, None)


@signals.worker_shutdown.connect
def _forget_start(sender: Any, **_: object) -> None:
    """A worker that ends as it should did not fail."""
    _write(starts.forget, sender.hostname)


def _write(work: Callable[..., None], *arguments: object) -> None:
    with suppress(CobaltError):
        # No connection is left for the pool to inherit.
        database = open_ledger(settings.load())
        database.write(work, *arguments)
        database.dispose()


@inspect_command(name=REPORT_COMMAND)
def report(state: Any) -> dict[str, object]:
    """Return what `hints.worker_reports` reads."""
    consumer = state.consumer.task_consumer
    opened = descriptors()
    return {
        "queues": [queue.name for queue in consumer.queues] if consumer else [],
        "descriptors": opened and opened[0],
        "descriptor_limit": opened and opened[1],
        "clock": time.time(),
        "step": _clock.step(),
    }
