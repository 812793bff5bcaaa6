"""Batches of a kind that computes, one after the other: each is written in the transaction that claims the next.

A job of a flood would otherwise be written three times, marked as sent, claimed and finished; here it is claimed and
finished. The series ends when more urgent messages of another kind wait for this worker, or after `SERIES_SECONDS`.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Final

from cobalt_tasks.core.catalog import BY_NAME
from cobalt_tasks.core.records import Outcome
from cobalt_tasks.core.timeouts import LEASE_SECONDS
from cobalt_tasks.jobs import store as jobs
from cobalt_tasks.jobs.claims import ClaimTerms, has_lone
from cobalt_tasks.jobs.completion import Exchange, exchange
from cobalt_tasks.jobs.dispatcher import batch_size
from cobalt_tasks.jobs.polite import Limits
from cobalt_tasks.jobs.store import Claim
from workers.batches import outcomes_of
from workers.context import WorkerContext
from workers.leases import Held, holding, is_stopping
from workers.queues import levels_before_others
from workers.retry import until_database_answers
from workers.runners import Runner

log = logging.getLogger(__name__)

SERIES_SECONDS: Final = 10.0
"""How long a series claims more, so that messages of other kinds, and the sweep, get their turn."""

_MOST: Final = 500
"""Jobs claimed at once: SQLite has one writer, and other processes must not wait long for it."""


class Series:
    """The batches that one message starts."""

    def __init__(self, own: WorkerContext, kind: str, run: Runner) -> None:
        """Run nothing yet.

        Args:
            own: what this process has.
            kind: of the jobs, a name of the catalog.
            run: returns one outcome for each job of a batch.

        """
        self.done = 0
        self.following: set[str] = set()
        self._own = own
        self._kind = BY_NAME[kind]
        self._run = run
        self._terms = ClaimTerms(kind=kind, lease=LEASE_SECONDS, limits=Limits.of(own.settings))
        self._start = time.monotonic()
        self._may_go_on = True

    def run(self, ids: Sequence[int]) -> None:
        """Do the jobs with these ids, and others of their kind that are due.

        Raises:
            DatabaseUnavailableError: the ledger stayed away; what is not written will be reaped.

        """
        own = self._own
        claim = until_database_answers(lambda: own.database.write(jobs.claim, self._kind.name, ids, LEASE_SECONDS))
        self._may_go_on = not has_lone(claim.jobs)
        if not claim.jobs:
            return
        with holding(own.database, claim.token) as held:
            while claim.jobs:
                claim = self._do(claim, held)

    @property
    def seconds(self) -> float:
        """How long it has run."""
        return time.monotonic() - self._start

    def _do(self, claim: Claim, held: Held) -> Claim:
        """Run one batch, write it, and return the claim of the next."""
        outcomes = outcomes_of(claim.jobs, lambda batch: self._run(self._own, batch))
        found = self._exchange({claim.token: outcomes})
        held.drop(claim.token)
        if found.claim.jobs:
            held.add(found.claim.token)
        self.done += len(outcomes)
        self.following |= found.following
        log.info("%s: %d jobs", self._kind.name, len(outcomes))
        return found.claim

    def _exchange(self, ended: Mapping[str, Sequence[Outcome]]) -> Exchange:
        own, levels = self._own, self._levels()
        done = sum(map(len, ended.values()))
        room = min(_MOST, batch_size(self._kind, self.seconds / (self.done + done))) if levels else 0
        return until_database_answers(lambda: own.database.write(exchange, ended, self._terms, room, levels))

    def _levels(self) -> tuple[int, ...]:
        """Return the levels of which jobs may be claimed now."""
        if not self._may_go_on or is_stopping() or self.seconds > SERIES_SECONDS:
            return ()
        return levels_before_others(self._own.dispatcher.broker, self._kind, self.seconds)
