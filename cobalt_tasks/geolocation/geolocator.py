"""The chain of providers: local databases first, then whoever has budget left, in the order of COBALT_GEO_PROVIDERS.

What the local databases do not know waits in the ledger for a provider's budget. A call is reserved first, then as many
jobs are claimed as it takes, so that no worker ever sleeps and no backlog is churned through claims.
"""

import logging
import random
import time
from collections.abc import Sequence
from functools import partial
from typing import Final

from cobalt_tasks.core import providers
from cobalt_tasks.core.addresses import Scope, is_public
from cobalt_tasks.core.catalog import GEOLOCATION
from cobalt_tasks.core.durations import DAY
from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.core.records import NO_PROVIDER, Facts, Job, Location, Outcome, Verdict
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db import cursors
from cobalt_tasks.db.engine import Database
from cobalt_tasks.geolocation import quotas as budgets
from cobalt_tasks.geolocation import store as locations
from cobalt_tasks.geolocation.limits import ROUNDING_SECONDS, RateLimitHeaders
from cobalt_tasks.geolocation.local.mmdb import LocalDatabases
from cobalt_tasks.geolocation.place import Place, located, raw_text
from cobalt_tasks.geolocation.providers.base import ASK_SECONDS, Answer, Failure, Provider, ProviderError
from cobalt_tasks.geolocation.quotas import Demand, NobodyWaitsError, Reservation
from cobalt_tasks.jobs.store import Claim, claim_waiting

BUDGET: Final = "budget"
"""What a job waits for (`Outcome.waits_for`) when only a remote provider could know."""

NEGATIVE_SECONDS: Final = DAY
"""How long "there is nothing to know about it" stays good."""

_DEMAND: Final = Demand(kind=GEOLOCATION, waits_for=BUDGET, patience=2.0)

_TRIAL_SECONDS = ASK_SECONDS + 3.0
"""How long everybody waits for what comes of the one call that tries a provider again."""

_CLOCK_SECONDS = 0.05
"""How far the clocks of a sender and of the database may run apart within a few seconds."""

_MOST_CALLS = 32
_LOCAL_BATCH = 250
_BUILD = "geolocation: build"
_EXPIRE_SECONDS = 2.0
_EXPIRED_AT_ONCE = 500
_RETRY_SECONDS = (2.0, 5.0)

_PAUSES: Final[dict[Failure, tuple[float, float]]] = {
    # First pause and longest. Refused connections cost nothing, and look-ups without any provider are to end soon.
    "unreachable": (2.0, 10.0),
    "bad": (5.0, 300.0),
    "busy": (60.0, 3600.0),
    "denied": (300.0, 3600.0),
}
_LONGEST_TOLD = DAY

log = logging.getLogger(__name__)


class Call:
    """One reserved call and the jobs claimed for it: finish `claim` with the outcomes of `ask`."""

    def __init__(
        self,
        chain: "Geolocator",
        database: Database,
        claim: Claim,
        call: tuple[Provider, Reservation] | None,
    ) -> None:
        """Hold what was reserved; without a call every job learns that there is no provider."""
        self.claim = claim
        self._chain = chain
        self._database = database
        self._call = call

    def ask(self, batch: Sequence[Job]) -> list[Outcome]:
        """Make the call and settle its budget; return one outcome for each job. Takes at most `ASK_SECONDS`."""
        if self._call is None:
            return [_no_provider(job, "none is configured") for job in batch]
        provider, reservation = self._call
        known, unknown = self._chain.sorted_out(batch)
        if not unknown:
            self._database.write(lambda c: budgets.give_back(c, reservation, reservation.calls))
            return known
        try:
            answer = provider.ask([job.address for job in unknown])
        except ProviderError as error:
            return known + self._failed(provider, reservation, unknown, error)
        self._database.write(lambda c: budgets.succeeded(c, reservation, answer.rate_limit))
        now = time.time()
        return known + [self._chain.outcome(job, provider.terms.provider, answer, now) for job in unknown]

    def _failed(
        self,
        provider: Provider,
        reservation: Reservation,
        batch: Sequence[Job],
        error: ProviderError,
    ) -> list[Outcome]:
        name = provider.terms.provider
        log.warning("%s: %s", name, error)
        is_busy = error.failure == "busy"
        headers = RateLimitHeaders(remaining=0 if is_busy else None, resets_in=_told(error))
        pause = partial(_pause, error)
        self._database.write(lambda c: budgets.failed(c, reservation, str(error), pause, headers))
        with self._database.reading() as connection:
            others = [each.terms.provider for each in self._chain.providers if each is not provider]
            waits = is_busy or bool(budgets.healthy(connection, others))
        return [self._chain.without(job, f"{name}: {error}", waits=waits) for job in batch]


class Geolocator:
    """One process's way to locations. Not for several threads at once.

    A worker calls `local` with the jobs it claimed, and commits the outcomes: found, or waiting for a budget. The sweep
    asks `worthwhile_calls` how many workers to wake for those; each calls `reserve`, and commits what `Call.ask` brings.
    """

    def __init__(self, settings: Settings) -> None:
        """Open and connect nothing yet.

        Raises:
            ConfigurationError: a base URL is none.

        """
        names = settings.usable_providers
        self.databases = LocalDatabases(settings.geodb_folder, checked=True) if providers.LOCAL in names else None
        self._scope = Scope(settings.scope, settings.exclude)
        self.providers: list[Provider] = [made for name in names if (made := _provider(name, settings, self._scope))]
        self._expired_to = ""
        self._is_local_first = not self.providers or names[0] == providers.LOCAL

    def local(self, batch: Sequence[Job]) -> list[Outcome]:
        """Look jobs up in the databases of this machine.

        What they do not know waits for a provider's budget (`Verdict.WAIT`). Where no provider is configured, it is
        retried as long as there is no database either, and unknown for good when there is one.
        """
        known, unknown = self.sorted_out(batch)
        if self.providers:
            return known + [_waits(job) for job in unknown]
        if self.databases is not None and self.databases.refresh():
            return known + [_failed(job, "unknown", "no local database knows the address") for job in unknown]
        return known + [_no_provider(job, "no database is installed, run `cobalt geodb update`") for job in unknown]

    def worthwhile_calls(self, database: Database) -> int:
        """Return how many calls to remote providers could be made now, and would be filled or have waited enough."""
        with database.reading() as connection:
            if not self.providers:
                return min(1, budgets.waiting(connection, _DEMAND, 1).jobs)
            return budgets.worthwhile(connection, _DEMAND, [each.terms for each in self.providers], _MOST_CALLS)

    def later_calls(self, database: Database, within: float) -> tuple[int, float]:
        """Return how many calls will be possible once the next budget opens, and in how many seconds that is; no calls
        when none opens `within` seconds.
        """
        with database.reading() as connection:
            calls, after = budgets.opening(connection, _DEMAND, [each.terms for each in self.providers], within)
        return min(calls, _MOST_CALLS), after + _CLOCK_SECONDS

    def reserve(self, database: Database, lease: float) -> Call | None:
        """Reserve one call from the first provider that has one left, and claim the jobs for it; None when none has, or
        nobody has waited enough.
        """
        if not self.providers:
            claim = database.write(lambda c: claim_waiting(c, GEOLOCATION, BUDGET, _LOCAL_BATCH, lease))
            return Call(self, database, claim, None)
        terms = [provider.terms for provider in self.providers]
        try:
            taken = database.write(lambda c: budgets.take(c, _DEMAND, terms, lease, _TRIAL_SECONDS))
        except NobodyWaitsError:
            return None
        if taken is None:
            return None
        provider = next(each for each in self.providers if each.terms.provider == taken.reservation.provider)
        return Call(self, database, taken.claim, (provider, taken.reservation))

    def expire_older_builds(self, database: Database) -> None:
        """Make stale what an older build of the local database gave, once for each build; the sweep refreshes it.

        Takes a moment at most, and goes on from there when it is called again.
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

    def sorted_out(self, batch: Sequence[Job]) -> tuple[list[Outcome], list[Job]]:
        """Return the outcomes of the jobs that need nobody's help, and the other jobs."""
        if self.databases is not None:
            self.databases.refresh()
        now = time.time()
        known: list[Outcome] = []
        unknown: list[Job] = []
        for job in batch:
            if self._scope.excludes(job.address):
                known.append(_failed(job, "excluded", "COBALT_EXCLUDE contains it: it is not asked about"))
            elif self._is_local_first and (location := self._locate(job.address, now)):
                known.append(_found(job, location))
            elif not is_public(job.address):
                known.append(_failed(job, "not public", "not a global unicast address: nobody is asked about it"))
            else:
                unknown.append(job)
        return known, unknown

    def outcome(self, job: Job, name: str, answer: Answer, now: float) -> Outcome:
        """Return what an answer means for one job. What it leaves open is completed from the local databases."""
        if job.address in answer.unasked:
            return _waits(job)
        if job.address not in answer.places and job.address not in answer.negative:
            return self.without(job, f"{name} left it out", waits=False)
        place, raw = answer.places.get(job.address, (Place(), None))
        if place.is_located:
            said = [(name, place), *(self.databases.said(job.address) if self.databases else ())]
            return _found(job, located(job.address, said, fetched_at=now, raw=raw_text(raw)))
        if location := self._locate(job.address, now):
            return _found(job, location)
        reason = answer.negative.get(job.address, "nothing known")
        return Outcome(
            job=job,
            verdict=Verdict.DONE,
            code="nothing known",
            detail=f"{name}: {reason}",
            fresh_for=NEGATIVE_SECONDS,
        )

    def without(self, job: Job, reason: str, *, waits: bool) -> Outcome:
        """Return the outcome of a job whose provider failed: it waits for another one, or the attempt is lost."""
        if location := self._locate(job.address, time.time()):
            return _found(job, location)
        return _waits(job) if waits else _no_provider(job, reason)

    def _locate(self, address: str, now: float) -> Location | None:
        return self.databases.locate(address, now) if self.databases is not None else None


def _provider(name: str, settings: Settings, scope: Scope) -> Provider | None:
    """Make a provider; None for the local databases."""
    make = providers.find(name).make
    try:
        made: Provider | None = make(settings.provider(name), scope) if make else None
    except ValueError as error:
        raise ConfigurationError(f"the base URL of {name} cannot be used: {error}") from error
    return made


def _told(error: ProviderError) -> float | None:
    return None if error.resets_in is None else min(error.resets_in, _LONGEST_TOLD)


def _pause(error: ProviderError, failures: int) -> float:
    """Return how long nobody asks a provider after so many failures in a row."""
    first, longest = _PAUSES[error.failure]
    # Not all at once when several machines have breakers of their own.
    pause = min(longest, first * 2.0 ** min(failures - 1, 16)) * random.uniform(0.8, 1.2)  # noqa: S311
    told = _told(error)
    if told is None:
        return pause
    return told + ROUNDING_SECONDS if failures == 1 else max(told + ROUNDING_SECONDS, pause)


def _found(job: Job, location: Location) -> Outcome:
    return Outcome(job=job, verdict=Verdict.DONE, code="located", facts=Facts(locations=[location]))


def _failed(job: Job, code: str, detail: str) -> Outcome:
    return Outcome(job=job, verdict=Verdict.FAILED, code=code, detail=detail)


def _waits(job: Job) -> Outcome:
    return Outcome(job=job, verdict=Verdict.WAIT, code="no budget", waits_for=BUDGET)


def _no_provider(job: Job, detail: str) -> Outcome:
    after = random.uniform(*_RETRY_SECONDS)  # noqa: S311
    return Outcome(job=job, verdict=Verdict.RETRY, code=NO_PROVIDER, detail=detail, after=after)
