"""Keeps claims while their jobs are worked on: renews their leases, and releases them when the worker has to stop."""

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


class Held:
    """The claims of one task. Its methods may be called from any thread."""

    def __init__(self, database: Database) -> None:
        """Hold none yet. `database`: the ledger of the claims."""
        self._database = database
        self._tokens: set[str] = set()
        self._lock = threading.Lock()

    def add(self, token: str) -> None:
        """Renew a claim from now on."""
        with self._lock:
            self._tokens.add(token)

    def drop(self, token: str) -> None:
        """Renew a claim no longer: all its jobs have ended."""
        with self._lock:
            self._tokens.discard(token)

    def renew(self) -> None:
        """Renew the leases of all claims.

        Raises:
            DatabaseUnavailableError: the ledger does not answer.

        """
        if tokens := self._all():
            self._database.write(leases.renew, tokens, LEASE_SECONDS)

    def release(self) -> None:
        """Release all claims and, in a pool, end this process: the ledger would accept nothing more of them."""
        count = sum(self._database.write(store.release, token) for token in self._all())
        log.warning("released %d jobs: the worker stops", count)
        if current_process().daemon:
            os._exit(0)

    def _all(self) -> list[str]:
        with self._lock:
            return sorted(self._tokens)


@contextmanager
def holding(database: Database, *tokens: str) -> Iterator[Held]:
    """Renew the leases of claims from a thread for as long as the block lasts, or until its worker has to stop.

    Args:
        database: the ledger that holds the claims.
        tokens: of the first claims.

    """
    held = Held(database)
    for token in tokens:
        held.add(token)
    done = threading.Event()
    thread = threading.Thread(target=_keep, args=(held, done), name="lease", daemon=True)
    thread.start()
    try:
        yield held
    finally:
        done.set()
        thread.join()


def is_stopping() -> bool:
    """Return whether this worker was asked to stop: it starts nothing more."""
    return bool(_stopping.value > 0)


def _keep(held: Held, done: threading.Event) -> None:
    renew_at = time.monotonic() + RENEW_SECONDS
    while not done.wait(_LOOK_SECONDS):
        try:
            if 0 < _stopping.value < time.monotonic() - GRACE_SECONDS:
                held.release()
                return
            if time.monotonic() >= renew_at:
                renew_at = time.monotonic() + RENEW_SECONDS
                held.renew()
        except DatabaseUnavailableError as error:
            log.warning("a lease could not be renewed: %s", error)


@signals.worker_shutting_down.connect
def _note_stop(**_: object) -> None:
    _stopping.value = _stopping.value or time.monotonic()
