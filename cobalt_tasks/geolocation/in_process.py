"""Geolocation in this very process, for a command or a program: the same jobs, claims and budgets the workers use.

Whatever is done here is claimed first, so that it can run beside any number of workers, and be stopped and begun again.
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
"""Nobody renews leases here, so that they are longer than the longest call."""

_TAKE_BACK_SECONDS = 2.0

_IDLE_SECONDS = 75.0
"""How long to wait without any progress; a window of a minute has ended by then."""

Report = Callable[[int, int], None]
"""Called with how many jobs ended in success and in failure since the last call."""


class Page(Struct, frozen=True, kw_only=True):
    """Hosts that need a location: the public ones, how many jobs were made for them, and how many others there were."""

    addresses: list[str]
    made: int
    private: int


def queue(database: Database, needing: Needing, batch: int) -> Iterator[Page]:
    """Make jobs for the hosts that need a location, page by page.

    New ones are ordinary work, refreshes go after everything else. A host that was asked about in vain a short while
    ago is left alone, unless everything is wanted.
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
        yield Page(addresses=addresses, made=made, private=len(page) - len(public))


def _create(database: Database, new: Sequence[NewJob]) -> int:
    return database.write(lambda c: creation.create(c, new)) if new else 0


class Runner:
    """Does geolocation jobs in this process, some calls to providers at a time. Close it, or use it in a `with`."""

    def __init__(self, database: Database, settings: Settings, concurrency: int, report: Report | None = None) -> None:
        """Start no thread yet."""
        self._database = database
        self._settings = settings
        self._concurrency = concurrency
        self._calls: set[Future[int]] = set()
        # Threads that stay, since each keeps its own connections to the providers.
        self._pool = ThreadPoolExecutor(concurrency, thread_name_prefix="geolocate")
        self._report = report or (lambda _done, _failed: None)
        self._own = threading.local()
        self._taken_back_at = 0.0
        self._is_stopped = False
        self.codes: Counter[str] = Counter()
        """How jobs ended, by outcome."""

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Make no further call; one that is being made ends by its own deadline."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def stop(self) -> None:
        """Let the next step raise KeyboardInterrupt. May be called by a signal handler."""
        self._is_stopped = True

    def pause(self, seconds: float) -> None:
        """Wait, but not after `stop`."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._end_if_stopped()
            time.sleep(min(left, _TICK_SECONDS))

    def _end_if_stopped(self) -> None:
        if self._is_stopped:
            raise KeyboardInterrupt

    def run_ready(self, addresses: Sequence[str] | None = None) -> int:
        """Look the jobs up that are due, of some addresses or all of them; return how many that were."""
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
        """Begin the calls to providers that are worthwhile now, side by side, as many as there is room for; return how many
        jobs those were for that have ended. Where only one is made at a time, it is waited for.
        """
        if room := self._concurrency - len(self._calls):
            calls = min(room, self._geolocator().worthwhile_calls(self._database))
            self._calls |= {self._pool.submit(self._call) for _ in range(calls)}
        ended, self._calls = wait(self._calls, None if self._concurrency == 1 else 0.0, FIRST_COMPLETED)
        return sum(call.result() for call in ended)

    def run_until_done(self, addresses: Sequence[str] | None = None, deadline: float | None = None) -> int:
        """Work until every job, of some addresses or all of them, is final; return how many are not.

        That is more than none when the deadline (`time.monotonic`) has passed, or nothing moved for longer than any
        provider's minute: then the rest waits in the ledger for its budget, and for whoever comes next.
        """
        moved = time.monotonic()
        while True:
            self._take_back()
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

    def _take_back(self) -> None:
        """Do of the sweep what is needed here, where no worker may run: take back what a command that was killed still
        holds, and see whether the database's clock was stepped.
        """
        now = time.monotonic()
        if now - self._taken_back_at > _TAKE_BACK_SECONDS:
            self._taken_back_at = now
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
        """Give back what is not finished when somebody interrupts the block, or something fails in it."""
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
    """Return the locations of addresses: what is known and good, and for the others whatever a job brings.

    `forced`: ask again about all of them. Addresses about which nothing is known within `seconds` are left out.
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
