"""Keeps the claim of a batch while it is worked on: renews its lease, and releases it when the worker has to stop."""

import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.sharedctypes import RawValue
from typing import Final

from billiard.process import current_process
from celery import signals

from cobalt_tasks.core.errors import DatabaseUnavailableError
from cobalt_tasks.core.timeouts import GRACE_SECONDS, LEASE_SECONDS, RENEW_SECONDS
from cobalt_tasks.db.engine import Database
from cobalt_tasks.jobs import leases, store

log = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 0.25

_stopping = RawValue("d", 0.0)
"""When this worker was asked to stop, by the monotonic clock, 0 until then; shared with its pool."""


@contextmanager
def holding(database: Database, token: str) -> Iterator[None]:
    """Renew the lease of a claim from a thread for as long as the block lasts, or until its worker has to stop.

    Args:
        database: the ledger that holds the claim.
        token: the claim's token.

    """
    done = threading.Event()

    def renew() -> None:
        renew_at = time.monotonic() + RENEW_SECONDS
        while not done.wait(_LOOK_SECONDS):
            try:
                if 0 < _stopping.value < time.monotonic() - GRACE_SECONDS:
                    _release(database, token)
                    return
                if time.monotonic() >= renew_at:
                    renew_at = time.monotonic() + RENEW_SECONDS
                    database.write(leases.renew, token, LEASE_SECONDS)
            except DatabaseUnavailableError as error:
                log.warning("a lease could not be renewed: %s", error)

    thread = threading.Thread(target=renew, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _release(database: Database, token: str) -> None:
    """Release a claim and, in a pool, end this process: the ledger would accept nothing more of this batch."""
    count = database.write(store.release, token)
    log.warning("released %d jobs: the worker stops", count)
    if current_process().daemon:
        os._exit(0)


@signals.worker_shutting_down.connect
def _note_stop(**_: object) -> None:
    _stopping.value = _stopping.value or time.monotonic()
