"""What each worker process has of its own: its connections, its probes' view of the network, its leases."""

import ctypes
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from multiprocessing.sharedctypes import RawValue
from typing import Any

from billiard.process import current_process
from celery import signals

from cobalt_tasks.core import settings as environment
from cobalt_tasks.core.addresses import Scope
from cobalt_tasks.core.errors import ConfigurationError, DatabaseUnavailableError
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.core.timeouts import GRACE_SECONDS, LEASE_SECONDS, RENEW_SECONDS
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.schema import open_ledger
from cobalt_tasks.geolocation.geolocator import Geolocator
from cobalt_tasks.jobs import leases
from cobalt_tasks.jobs.dispatcher import Dispatcher
from cobalt_tasks.threat import rules as threat
from cobalt_tasks.threat.rules import Rules

log = logging.getLogger(__name__)

_PR_SET_PDEATHSIG = 1
_LOOK_SECONDS = 0.25


class Process:
    """One process's own things, made at the first job and never shared with a child."""

    def __init__(self, settings: Settings) -> None:
        """Open the ledger.

        Raises:
            ConfigurationError: a setting cannot be used.
            DatabaseUnavailableError: the ledger does not answer.

        """
        self.settings = settings
        self.scope = Scope(settings.scope, settings.exclude)
        self.database: Database = open_ledger(settings)
        self.dispatcher = Dispatcher(self.database, settings)
        self.geolocator = Geolocator(settings)
        self._rules: Rules | None = None

    @property
    def rules(self) -> Rules:
        """The rules that speak against hosts, as their files are now.

        Raises:
            ConfigurationError: they cannot be used.

        """
        if self._rules is None or not self._rules.are_current():
            self._rules = threat.load(self.settings.home)
        return self._rules


@cache
def process() -> Process:
    """Return this process's own things."""
    return Process(environment.load())


# A child made by fork must not use its parent's connections.
os.register_at_fork(after_in_child=process.cache_clear)


_stopping = RawValue("d", 0.0)
"""When this worker was asked to stop, by the monotonic clock, 0 until then; shared with its pool."""


@contextmanager
def holding(database: Database, token: str) -> Iterator[None]:
    """Renew the leases of a claim from a thread for as long as the block lasts, or until its worker has to stop."""
    done = threading.Event()

    def renew() -> None:
        renew_at = time.monotonic() + RENEW_SECONDS
        while not done.wait(_LOOK_SECONDS):
            try:
                if 0 < _stopping.value < time.monotonic() - GRACE_SECONDS:
                    _hand_back(database, token)
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


def _hand_back(database: Database, token: str) -> None:
    """Give a batch back and, in a pool, end this process: what it still does would count for nothing."""
    count = database.write(leases.release, token)
    log.warning("handed %d jobs back: the worker stops", count)
    if current_process().daemon:
        os._exit(0)


@signals.celeryd_after_setup.connect
def _refuse_green_pools(instance: Any, **_: object) -> None:
    """End at once with a pool of gevent or eventlet: probes run under asyncio, which both replace in part."""
    if instance.pool_cls.is_green:
        sys.stderr.write("cobalt: this pool (-P) cannot run asyncio: use prefork, threads or solo\n")
        raise SystemExit(ConfigurationError.exit_code)


@signals.worker_shutting_down.connect
def _begin_to_stop(**_: object) -> None:
    _stopping.value = _stopping.value or time.monotonic()


@signals.worker_process_init.connect
def _die_with_parent(**_: object) -> None:
    """Let a pool child end with its worker, even one that was killed: an orphan would hold its leases for nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
