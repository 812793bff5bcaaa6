"""What each worker process has of its own: settings, scope, connections to the ledger and the broker, threat rules."""

import gc
import logging
import os
import sys
from functools import cache
from typing import Any, Final

from billiard import pool
from celery import signals

from cobalt_tasks.core import machine
from cobalt_tasks.core import settings as environment
from cobalt_tasks.core.addresses import Scope
from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db.schema import open_ledger
from cobalt_tasks.fingerprints import installed as fingerprints
from cobalt_tasks.geolocation.geolocator import Geolocator
from cobalt_tasks.hosts.map_cells import MapCells
from cobalt_tasks.hosts.retention import Retention
from cobalt_tasks.hosts.search.facets_of_all import FacetsOfAll
from cobalt_tasks.jobs.dispatcher import Dispatcher
from cobalt_tasks.threat import rules as threat
from cobalt_tasks.threat.rules import Rules

log = logging.getLogger(__name__)

_LAST_WORDS_SECONDS: Final = 1.0


class WorkerContext:
    """One process's own things, made at the first job and never shared with a child."""

    def __init__(self, settings: Settings) -> None:
        """Open the ledger.

        Raises:
            ConfigurationError: a setting cannot be used.
            DatabaseUnavailableError: the ledger does not answer.

        """
        self.settings = settings
        self.scope = Scope(settings.scope, settings.exclude)
        self.database = open_ledger(settings)
        self.dispatcher = Dispatcher(self.database, settings)
        self.geolocator = Geolocator(settings)
        self.retention = Retention(settings)
        self.facets = FacetsOfAll()
        self.map_cells = MapCells()
        self._rules: Rules | None = None
        fingerprints.use(settings.fingerprints_folder)

    @property
    def rules(self) -> Rules:
        """The threat rules, as their files are now.

        Raises:
            ConfigurationError: they cannot be used.

        """
        if self._rules is None or not self._rules.are_current():
            self._rules = threat.load(self.settings.home)
        return self._rules


@cache
def worker_context() -> WorkerContext:
    """Return this process's own things."""
    return WorkerContext(environment.load())


# A child made by fork must not use its parent's connections.
os.register_at_fork(after_in_child=worker_context.cache_clear)


@signals.celeryd_after_setup.connect
def _refuse_green_pools(instance: Any, **_: object) -> None:
    """End at once with a pool of gevent or eventlet: probes run under asyncio, which both replace in part."""
    if instance.pool_cls.is_green:
        sys.stderr.write("cobalt: this pool (-P) cannot run asyncio: use prefork, threads or solo\n")
        raise SystemExit(ConfigurationError.exit_code)


@signals.celeryd_after_setup.connect
def _keep_what_is_loaded(**_: object) -> None:
    """Leave what is loaded out of all collections: it stays, and pool children share the memory that nothing writes to."""
    gc.freeze()


@signals.worker_process_init.connect
def _end_within_seconds(**_: object) -> None:
    """Bound how long a pool child that ends waits for its worker to read its last messages: a second, not half a minute.

    Now and then a worker that stops has ended its reading before. Nothing is lost by it: outcomes are in the ledger.
    """
    tries = _LAST_WORDS_SECONDS / pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_INTERVAL
    pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT = round(tries)


@cache
def _worker() -> int:
    """Return the process of the worker: what this is called in first, before any child is made."""
    return os.getpid()


@signals.celeryd_after_setup.connect
def _be_the_worker(**_: object) -> None:
    _worker()


@signals.worker_process_init.connect
def _die_with_parent(**_: object) -> None:
    """Make a pool child end with its worker, even one that was killed: an orphan would hold its leases for nothing."""
    # A pool of threads, or none, has no child.
    if _worker() != os.getpid():
        machine.end_with_parent(_worker())
