"""The geolocation of claimed jobs: local databases first, then the first provider with quota left, in the order of
COBALT_GEO_PROVIDERS.

Jobs that the local databases cannot answer wait in the ledger for a provider's quota. A call is reserved first, then as
many jobs are claimed as it takes: no worker sleeps for a quota, and no job is claimed in vain.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from cobalt_tasks.core import providers as registry
from cobalt_tasks.core.addresses import Scope, is_public
from cobalt_tasks.core.catalog import GEOLOCATION
from cobalt_tasks.core.durations import DAY
from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.core.records import Job, Location, Outcome
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db import cursors
from cobalt_tasks.db.engine import Database
from cobalt_tasks.geolocation import demand, outcomes, quotas
from cobalt_tasks.geolocation import store as locations
from cobalt_tasks.geolocation.demand import Demand, NoJobLeftError
from cobalt_tasks.geolocation.limits import RateLimitHeaders
from cobalt_tasks.geolocation.local.mmdb import LocalDatabases, Report
from cobalt_tasks.geolocation.location import combined
from cobalt_tasks.geolocation.outcomes import QUOTA
from cobalt_tasks.geolocation.providers.base import ASK_SECONDS, Answer, Provider, ProviderError
from cobalt_tasks.geolocation.quotas import Reservation
from cobalt_tasks.jobs.store import Claim, claim_waiting

NEGATIVE_SECONDS: Final = DAY
"""How long an answer without a location stays fresh."""

_DEMAND: Final = Demand(kind=GEOLOCATION, waits_for=QUOTA, max_wait=2.0)

_TRIAL_SECONDS = ASK_SECONDS + 3.0
"""How long no other call is made while one call tries a provider again after a failure."""

_CLOCK_SECONDS = 0.05
"""How far the clocks of a sender and of the database may drift apart within a few seconds."""

_MOST_CALLS = 32
_LOCAL_BATCH = 250
_BUILD = "geolocation: build"
_EXPIRE_SECONDS = 2.0
_EXPIRED_AT_ONCE = 500

log = logging.getLogger(__name__)


class Call:
    """One reserved call and the jobs claimed for it: finish `claim` with the outcomes of `ask`."""

    def __init__(
        self,
        geolocator: "Geolocator",
        database: Database,
        claim: Claim,
        reserved: tuple[Provider, Reservation] | None,
    ) -> None:
        """Make no call yet.

        Args:
            geolocator: knows the local databases and the other providers.
            database: holds the quota.
            claim: the jobs.
            reserved: the provider and its reserved calls; None if no provider is configured.

        """
        self.claim = claim
        self._geolocator = geolocator
        self._database = database
        self._reserved = reserved

    def ask(self, batch: Sequence[Job]) -> list[Outcome]:
        """Make the call, settle its quota, and return one outcome for each job. Takes at most `ASK_SECONDS`."""
        if self._reserved is None:
            return [outcomes.no_provider(job, "none is configured") for job in batch]
        provider, reservation = self._reserved
        final, reports = self._geolocator.look_up(batch)
        asked = [job for job in batch if job.id in reports]
        if not asked:
            self._database.write(lambda c: quotas.release(c, reservation, reservation.calls))
            return final
        try:
            answer = provider.ask([job.address for job in asked])
        except ProviderError as error:
            return final + self._record_failure(provider, reservation, asked, reports, error)
        self._database.write(lambda c: quotas.record_success(c, reservation, answer.rate_limit))
        now = time.time()
        name = provider.terms.provider
        return final + [self._geolocator.outcome(job, name, answer, reports[job.id], now) for job in asked]

    def _record_failure(
        self,
        provider: Provider,
        reservation: Reservation,
        asked: Sequence[Job],
        reports: Mapping[int, list[Report]],
        error: ProviderError,
    ) -> list[Outcome]:
        name = provider.terms.provider
        log.warning("%s: %s", name, error)
        is_busy = error.failure == "busy"
        headers = RateLimitHeaders(remaining=0 if is_busy else None, resets_in=outcomes.reported_reset(error))
        pause = partial(outcomes.pause, error)
        self._database.write(lambda c: quotas.record_failure(c, reservation, str(error), pause, headers))
        with self._database.reading() as connection:
            others = [each.terms.provider for each in self._geolocator.providers if each is not provider]
            waits = is_busy or bool(quotas.without_failure(connection, others))
        now = time.time()
        reason = f"{name}: {error}"
        return [self._geolocator.without_answer(job, reason, reports[job.id], now, waits=waits) for job in asked]


class Geolocator:
    """The databases and providers of one process. Not for several threads at once.

    A worker calls `local` with the jobs it claimed, and commits the outcomes: located, or waiting for a quota. The sweep
    asks `worthwhile_calls` how many workers to wake for those; each calls `reserve` and commits the outcomes of
    `Call.ask`.
    """

    def __init__(self, settings: Settings) -> None:
        """Open and connect nothing yet.

        Raises:
            ConfigurationError: a base URL cannot be used.

        """
        names = settings.usable_providers
        self.databases = LocalDatabases(settings.geodb_folder, checked=True) if registry.LOCAL in names else None
        self._scope = Scope(settings.scope, settings.exclude)
        self.providers: list[Provider] = [made for name in names if (made := _provider(name, settings, self._scope))]
        self._expired_to = ""
        self._is_local_first = not self.providers or names[0] == registry.LOCAL

    def local(self, batch: Sequence[Job]) -> list[Outcome]:
        """Return one outcome for each job, from the databases of this machine.

        Jobs they cannot answer wait for a provider's quota (`Verdict.WAIT`). Without any provider, a job is retried
        while no database is installed, and failed otherwise.
        """
        final, reports = self.look_up(batch)
        others = [job for job in batch if job.id in reports]
        if self.providers:
            return final + [outcomes.waits(job) for job in others]
        if self.databases is not None and self.databases.refresh():
            return final + [outcomes.failed(job, "unknown", "no local database knows the address") for job in others]
        missing = "no database is installed, run `cobalt geodb update`"
        return final + [outcomes.no_provider(job, missing) for job in others]

    def worthwhile_calls(self, database: Database) -> int:
        """Return how many calls to online providers are possible now and worth making."""
        with database.reading() as connection:
            if not self.providers:
                return min(1, demand.waiting_jobs(connection, _DEMAND, 1).jobs)
            return demand.worthwhile_calls(connection, _DEMAND, [each.terms for each in self.providers], _MOST_CALLS)

    def later_calls(self, database: Database, horizon: float) -> tuple[int, float]:
        """Return (calls, delay): how many provider calls become possible at the next quota reset, and the seconds until then.

        Args:
            database: the ledger.
            horizon: seconds; a later reset does not count, the result then has 0 calls.

        """
        with database.reading() as connection:
            terms = [each.terms for each in self.providers]
            calls, delay = demand.calls_at_next_reset(connection, _DEMAND, terms, horizon)
        return min(calls, _MOST_CALLS), delay + _CLOCK_SECONDS

    def reserve(self, database: Database, lease: float) -> Call | None:
        """Reserve one call of the first provider that has one left, and claim the jobs for it.

        Args:
            database: the ledger.
            lease: seconds the claim holds; longer than `ASK_SECONDS`, unless it is renewed.

        Returns:
            None if no provider has a call left, or no call is worth making yet.

        """
        if not self.providers:
            claim = database.write(lambda c: claim_waiting(c, GEOLOCATION, QUOTA, _LOCAL_BATCH, lease))
            return Call(self, database, claim, None)
        terms = [provider.terms for provider in self.providers]
        try:
            reserved = database.write(lambda c: demand.reserve_call(c, _DEMAND, terms, lease, _TRIAL_SECONDS))
        except NoJobLeftError:
            return None
        if reserved is None:
            return None
        provider = next(each for each in self.providers if each.terms.provider == reserved.reservation.provider)
        return Call(self, database, reserved.claim, (provider, reserved.reservation))

    def expire_older_builds(self, database: Database) -> None:
        """Make the locations of an older build of the local database stale, once for each build; the sweep refreshes them.

        Works for `_EXPIRE_SECONDS` at most, and continues from there at the next call.
        """
        if self.databases is None or not self.databases.refresh() or (built := self.databases.built) is None:
            return
        with database.reading() as connection:
            if cursors.moment(connection, _BUILD) >= built:
                return
        deadline = time.monotonic() + _EXPIRE_SECONDS
        while time.monotonic() < deadline:
            reached = database.write(locations.expire_older, built, self._expired_to, _EXPIRED_AT_ONCE)
            self._expired_to = reached or ""
            if reached is None:
                database.write(cursors.move_to_moment, _BUILD, built)
                return

    def look_up(self, batch: Sequence[Job]) -> tuple[list[Outcome], dict[int, list[Report]]]:
        """Search every job's address in the local databases, once.

        Returns:
            The outcomes of the jobs that need no provider, and for every other job, by its id, what the databases report.

        """
        if self.databases is not None:
            self.databases.refresh()
        now = time.time()
        final: list[Outcome] = []
        reports: dict[int, list[Report]] = {}
        for job in batch:
            if self._scope.excludes(job.address):
                final.append(outcomes.failed(job, "excluded", "COBALT_EXCLUDE contains it: no provider is asked"))
                continue
            found = self.databases.look_up(job.address) if self.databases is not None else []
            if self._is_local_first and (location := self._locate(job, found, now)):
                final.append(outcomes.located(job, location))
            elif not is_public(job.address):
                final.append(outcomes.failed(job, "not public", "not a global unicast address: no provider is asked"))
            else:
                reports[job.id] = found
        return final, reports

    def outcome(self, job: Job, name: str, answer: Answer, reports: list[Report], now: float) -> Outcome:
        """Return what an answer means for one job. Parts it leaves open are completed from the local databases.

        Args:
            job: the job.
            name: the provider.
            answer: its answer.
            reports: what the local databases report of the address.
            now: epoch seconds.

        """
        if job.address in answer.unasked:
            return outcomes.waits(job)
        if job.address not in answer.locations and job.address not in answer.negative:
            return self.without_answer(job, f"{name} left it out", reports, now, waits=False)
        location = answer.locations.get(job.address)
        if location is not None and location.is_located:
            local = [(each.name, each.location) for each in reports]
            return outcomes.located(job, combined(job.address, [(name, location), *local], fetched_at=now))
        if local_location := self._locate(job, reports, now):
            return outcomes.located(job, local_location)
        reason = answer.negative.get(job.address, "nothing known")
        return outcomes.nothing_known(job, f"{name}: {reason}", NEGATIVE_SECONDS)

    def without_answer(self, job: Job, reason: str, reports: list[Report], now: float, *, waits: bool) -> Outcome:
        """Return the outcome of a job whose provider failed: from the local databases, or it waits, or is retried.

        Args:
            job: the job.
            reason: what failed, one line.
            reports: what the local databases report of the address.
            now: epoch seconds.
            waits: another provider can be asked, so this is no attempt.

        """
        if location := self._locate(job, reports, now):
            return outcomes.located(job, location)
        return outcomes.waits(job) if waits else outcomes.no_provider(job, reason)

    def _locate(self, job: Job, reports: list[Report], now: float) -> Location | None:
        return self.databases.located(job.address, reports, now) if self.databases is not None else None


def _provider(name: str, settings: Settings, scope: Scope) -> Provider | None:
    """Make a provider; None for the local databases."""
    make = registry.find(name).make
    try:
        made: Provider | None = make(settings.provider(name), scope) if make else None
    except ValueError as error:
        raise ConfigurationError(f"the base URL of {name} cannot be used: {error}") from error
    return made
