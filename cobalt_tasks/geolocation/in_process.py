"""Geolocation in this process, for a command or a program: the same jobs, claims and quotas the workers use.

Every job is claimed first, so that this may run beside any number of workers, be stopped, and be started again.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from typing import Final, Self

from msgspec import Struct

from cobalt_tasks.core.addresses import is_public
from cobalt_tasks.core.catalog import GEOLOCATION
from cobalt_tasks.core.errors import DatabaseUnavailableError
from cobalt_tasks.core.kinds import Urgency
from cobalt_tasks.core.records import FINAL_STATES, Location, NewJob, Outcome, Verdict
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.core.timeouts import LEASE_SECONDS
from cobalt_tasks.db import clocks
from cobalt_tasks.db.engine import Database
from cobalt_tasks.geolocation import store as locations
from cobalt_tasks.geolocation.geolocator import Geolocator
from cobalt_tasks.geolocation.providers.base import ASK_SECONDS
from cobalt_tasks.geolocation.store import Needing
from cobalt_tasks.jobs import creation, leases, verdicts
from cobalt_tasks.jobs import store as jobs
from cobalt_tasks.jobs.completion import complete
from cobalt_tasks.jobs.store import Claim

_TICK_SECONDS = 0.25
_CLAIMED: Final = 250
"""Jobs looked up locally under one claim."""

_LEASE_SECONDS: Final = ASK_SECONDS + LEASE_SECONDS
"""Leases are not renewed here, so they are longer than the longest call."""

_REAP_SECONDS = 2.0

_IDLE_SECONDS = 75.0
"""How long to wait without progress: longer than a provider's window of a minute."""

Report = Callable[[int, int], None]
"""Called with how many jobs ended in success and in failure since the last call."""


class QueuedPage(Struct, frozen=True, kw_only=True):
    """One page of hosts that need a location.

    Attributes:
        addresses: the public ones.
        made: the number of jobs made for them.
        private: the number of hosts that get no job.

    """

    addresses: list[str]
    made: int
    private: int


def queue(database: Database, needing: Needing, batch: int) -> Iterator[QueuedPage]:
    """Make jobs for the hosts that need a location, page by page.

    New hosts are ordinary work, refreshes go after everything else. A host whose last look-up failed a short while ago
    gets no job, unless all hosts are wanted.

    Args:
        database: the ledger.
        needing: which hosts.
        batch: hosts in a page.

    """
    after = ""
    while True:
        with database.reading() as connection:
            page = locations.candidates(connection, needing, after, batch)
        if not page:
            return
        after = page[-1].address
        public = [each for each in page if is_public(each.address)]
        new = [
            NewJob(
                kind=GEOLOCATION,
                address=each.address,
                urgency=Urgency.REFRESH if each.is_located else Urgency.ORDINARY,
                # Too old by the user's measure may be fresh by the catalog's.
                forced=needing.everything or each.is_located,
            )
            for each in public
        ]
        made = _create(database, new)
        addresses = [each.address for each in public]
        yield QueuedPage(addresses=addresses, made=made, private=len(page) - len(public))


def _create(database: Database, new: Sequence[NewJob]) -> int:
    return database.write(lambda c: creation.create(c, new)) if new else 0


class Runner:
    """Does geolocation jobs in this process, some calls to providers at a time. Use it in a `with` block."""

    def __init__(self, database: Database, settings: Settings, concurrency: int, report: Report | None = None) -> None:
        """Start no thread yet.

        Args:
            database: the ledger.
            settings: which databases and providers are asked.
            concurrency: the number of calls at a time, at least 1.
            report: called after each batch with the number of jobs that succeeded and failed; None for no reports.

        """
        self._database = database
        self._settings = settings
        self._concurrency = concurrency
        self._calls: set[Future[int]] = set()
        # Threads that stay, since each keeps its own connections to the providers.
        self._pool = ThreadPoolExecutor(concurrency, thread_name_prefix="geolocate")
        self._report = report or (lambda _done, _failed: None)
        self._own = threading.local()
        self._reaped_at = 0.0
        self._is_stopped = False
        self.codes: Counter[str] = Counter()
        """How jobs ended, by outcome."""

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Make no further call; one that is being made ends by its own deadline."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def stop(self) -> None:
        """Make the next step raise KeyboardInterrupt. May be called by a signal handler."""
        self._is_stopped = True

    def pause(self, seconds: float) -> None:
        """Wait some seconds; raise KeyboardInterrupt after `stop`."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._end_if_stopped()
            time.sleep(min(left, _TICK_SECONDS))

    def _end_if_stopped(self) -> None:
        if self._is_stopped:
            raise KeyboardInterrupt

    def run_ready(self, addresses: Sequence[str] | None = None) -> int:
        """Do the due jobs of some addresses (None: of all) from the local databases; return how many those were."""
        total = 0
        while True:
            self._end_if_stopped()
            with self._database.reading() as connection:
                ids = locations.ready(connection, addresses, _CLAIMED)
            claim = self._claim(ids)
            if not claim.jobs:
                return total
            with self._holding(claim.token):
                self._finish(claim.token, self._geolocator().local(claim.jobs))
            total += len(claim.jobs)

    def run_calls(self) -> int:
        """Start the provider calls that are worth making now, up to the concurrency, and return the number of jobs of those
        that ended. With a concurrency of 1, wait for the call.
        """
        if room := self._concurrency - len(self._calls):
            calls = min(room, self._geolocator().worthwhile_calls(self._database))
            self._calls |= {self._pool.submit(self._call) for _ in range(calls)}
        ended, self._calls = wait(self._calls, None if self._concurrency == 1 else 0.0, FIRST_COMPLETED)
        return sum(call.result() for call in ended)

    def run_until_done(self, addresses: Sequence[str] | None = None, deadline: float | None = None) -> int:
        """Work until every job is final; return how many are not.

        Jobs are left when the deadline has passed, or no job ended for `_IDLE_SECONDS`: they wait in the ledger for a quota.

        Args:
            addresses: only their jobs count; None for all jobs.
            deadline: by `time.monotonic`; None for no deadline.

        """
        moved = time.monotonic()
        while True:
            self._reap()
            if has_moved := self.run_ready(addresses) + self.run_calls() > 0:
                moved = time.monotonic()
            with self._database.reading() as connection:
                left = locations.unfinished(connection, addresses)
            now = time.monotonic()
            if not left or now - moved > _IDLE_SECONDS or (deadline is not None and now >= deadline):
                return left
            if self._calls:
                wait(self._calls, _TICK_SECONDS, FIRST_COMPLETED)
            elif not has_moved:
                time.sleep(_TICK_SECONDS)

    def _reap(self) -> None:
        """Do the parts of the sweep that are needed where no worker runs: reap the jobs of a killed command, and record the
        state of the database's clock.
        """
        now = time.monotonic()
        if now - self._reaped_at > _REAP_SECONDS:
            self._reaped_at = now
            self._database.write(leases.reap)
            self._database.write(clocks.record)

    def _claim(self, ids: Sequence[int]) -> Claim:
        return self._database.write(lambda c: jobs.claim(c, GEOLOCATION, ids, _LEASE_SECONDS)) if ids else Claim("", [])

    def _call(self) -> int:
        call = self._geolocator().reserve(self._database, _LEASE_SECONDS)
        if call is None:
            return 0
        with self._holding(call.claim.token):
            self._finish(call.claim.token, call.ask(call.claim.jobs))
        return len(call.claim.jobs)

    @contextmanager
    def _holding(self, token: str) -> Iterator[None]:
        """Release what is not finished when the block is interrupted or fails."""
        try:
            yield
        except BaseException:
            # Without a database the lease ends by itself.
            with suppress(DatabaseUnavailableError):
                self._database.write(jobs.release, token)
            raise

    def _finish(self, token: str, outcomes: Sequence[Outcome]) -> None:
        self._database.write(lambda c: complete(c, token, outcomes))
        ended = [outcome for outcome in outcomes if verdicts.state(outcome) in FINAL_STATES]
        self.codes.update(outcome.code for outcome in ended)
        done = sum(outcome.verdict is Verdict.DONE for outcome in ended)
        self._report(done, len(ended) - done)

    def _geolocator(self) -> Geolocator:
        found: Geolocator | None = getattr(self._own, "geolocator", None)
        if found is None:
            found = self._own.geolocator = Geolocator(self._settings)
        return found


def look_up(  # noqa: PLR0913  # each has a default where it is called from
    database: Database,
    settings: Settings,
    addresses: Sequence[str],
    *,
    forced: bool,
    seconds: float,
    concurrency: int = 4,
) -> dict[str, Location]:
    """Return the locations of addresses: fresh ones from the ledger, the others from new jobs.

    Args:
        database: the ledger.
        settings: which databases and providers are asked.
        addresses: canonical.
        forced: make a job for every address, fresh or not.
        seconds: how long to wait; addresses without a location by then are left out.
        concurrency: the number of provider calls at a time.

    """
    with database.reading() as connection:
        found = {} if forced else locations.known(connection, addresses, only_fresh=True)
    wanted = [each for each in addresses if each not in found and is_public(each)]
    if not wanted:
        return found
    new = [NewJob(kind=GEOLOCATION, address=each, urgency=Urgency.INTERACTIVE, forced=True) for each in wanted]
    database.write(lambda c: creation.create(c, new))
    with Runner(database, settings, concurrency) as runner:
        runner.run_until_done(wanted, time.monotonic() + seconds)
    with database.reading() as connection:
        return found | locations.known(connection, wanted)
