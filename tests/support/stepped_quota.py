"""Run as a process whose clock the test steps: does to a ledger, one word a line, what the lines ask for."""

import sys

from sqlalchemy import exists, select

from cobalt_tasks.core.catalog import BY_NAME
from cobalt_tasks.core.kinds import Urgency
from cobalt_tasks.core.providers import Limit
from cobalt_tasks.core.records import NewJob, Outcome, State, Verdict
from cobalt_tasks.db import locks
from cobalt_tasks.db.engine import Database, database_now
from cobalt_tasks.db.tables import is_in
from cobalt_tasks.db.tables import jobs as table
from cobalt_tasks.geolocation import quotas
from cobalt_tasks.jobs import admin as job_admin
from cobalt_tasks.jobs import creation
from cobalt_tasks.jobs import reaper as sweep
from cobalt_tasks.jobs import store as jobs
from cobalt_tasks.jobs.admin import Selection
from cobalt_tasks.jobs.store import Claim

_PAUSE = 100.0


class Asked:
    """One ledger, and what was claimed of it."""

    def __init__(self, url: str, window: float) -> None:
        """A provider has three calls in a window of some seconds."""
        self._database = Database(url)
        self._limits = (Limit(window=window, calls=3),)
        self._held = Claim("", [])

    def answer(self, word: str) -> bool:
        """Do what a word says."""
        return bool(getattr(self, word)())

    def reserve(self) -> bool:
        """Reserve a provider's call."""
        return self._database.write(lambda c: quotas.reserve(c, "p", self._limits, 1, 5.0)) is not None

    def look(self) -> bool:
        """Look at the clock, as a sweep does."""
        return sweep.look_at_clock(self._database)

    def lock(self) -> bool:
        """Take a lock."""
        return self._database.write(locks.take, "sweep", 1.5)

    def work(self) -> bool:
        """Look up a name that is found and one that is not, if their time has come; return whether there was any."""
        found = False
        for address, verdict in (("192.0.2.1", Verdict.DONE), ("192.0.2.2", Verdict.FAILED)):
            self._ask(address)
            found |= self.take()
            self._finish(verdict)
        return found

    def ask(self) -> None:
        """Let input ask for a name."""
        self._ask("192.0.2.3")

    def take(self) -> bool:
        """Claim what is due."""
        sent = self._database.write(jobs.mark_sent, "domain", BY_NAME["domain"].level(Urgency.ORDINARY), 10)
        self._held = self._database.write(jobs.claim, "domain", [each.id for each in sent], 60.0)
        return bool(self._held.jobs)

    def wait(self) -> None:
        """Put back what is claimed, for a while."""
        self._finish(Verdict.WAIT)

    def retry(self) -> None:
        """Let what is claimed fail, and a user try it again."""
        self._finish(Verdict.FAILED)
        job_admin.retry(self._database, Selection(kind="domain"))

    def due(self) -> bool:
        """Return whether no job waits longer than it was put back for."""
        late = exists().where(is_in(State.PENDING), table.c.not_before > database_now() + _PAUSE)
        with self._database.reading() as connection:
            return bool(connection.execute(select(~late)).scalar())

    def _ask(self, address: str) -> None:
        new = [NewJob(kind="domain", address=address)]
        self._database.write(creation.create, new)
        self._database.write(creation.create, new)

    def _finish(self, verdict: Verdict) -> None:
        outcomes = [Outcome(job=job, verdict=verdict, code="test", after=_PAUSE) for job in self._held.jobs]
        self._database.write(jobs.finish, self._held.token, outcomes)


if __name__ == "__main__":
    asked = Asked(sys.argv[1], float(sys.argv[2]))
    for line in sys.stdin:
        sys.stdout.write(f"{int(asked.answer(line.strip()))}\n")
        sys.stdout.flush()
