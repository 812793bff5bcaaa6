"""Writing to a database that may be away for a while."""

import random
import time
from collections.abc import Callable
from typing import Final, TypeVar

from cobalt_tasks.core.errors import CheckpointMovedError, DatabaseUnavailableError
from cobalt_tasks.db.engine import Database
from cobalt_tasks.ingest.store import sources
from cobalt_tasks.ingest.store.sources import Source, Work

T = TypeVar("T")

_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0


def _never(_error: DatabaseUnavailableError) -> bool:
    return False


def retry_while_unavailable(
    work: Callable[[], T],
    *,
    report: Callable[[str], None],
    stopping: Callable[[], bool],
    hopeless: Callable[[DatabaseUnavailableError], bool] = _never,
) -> T:
    """Do database work; while the database does not answer, wait and try again, until asked to stop.

    Args:
        work: what to do; it may be done again from its start.
        report: prints what is waited for, and that it is over.
        stopping: returns whether to give up.
        hopeless: returns whether waiting is of no use with this error.

    Raises:
        DatabaseUnavailableError: it does not answer, and waiting is to end.

    """
    pause = 0.0
    while True:
        try:
            done = work()
        except DatabaseUnavailableError as error:
            if stopping() or hopeless(error):
                raise
            if not pause:
                report(f"{error}; waiting for it")
            pause = min(max(_FIRST_PAUSE, 2 * pause), _LONGEST_PAUSE)
            time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311
        else:
            if pause:
                report("the database answers again")
            return done


class Committer:
    """Commits batches, each exactly once, whatever happens to the connection meanwhile."""

    def __init__(self, database: Database, report: Callable[[str], None], stopping: Callable[[], bool]) -> None:
        """Work on `database`; `report` prints a line for people, `stopping` returns whether to give up waiting."""
        self._database = database
        self.is_exclusive = database.is_sqlite
        self._report = report
        self._stopping = stopping

    def commit(self, source: Source, target: int, work: Work) -> Source:
        """Do the `work` of a batch in one transaction that moves the checkpoint of `source` to the position `target`.

        Raises:
            CheckpointMovedError: another process moved it.
            DatabaseUnavailableError: we were asked to stop while waiting for the database.

        """
        interrupted = False

        def attempt() -> Source:
            nonlocal interrupted
            try:
                return self._database.write(work)
            except DatabaseUnavailableError:
                interrupted = True
                raise
            except CheckpointMovedError:
                # The answer to a commit can be lost with the connection, and the commit not.
                landed = self._now(source.id) if interrupted else None
                if landed is None or landed.position != target or landed.updated_at < source.updated_at:
                    raise
                return landed

        return retry_while_unavailable(attempt, report=self._report, stopping=self._stopping)

    def _now(self, source_id: int) -> Source | None:
        with self._database.reading() as connection:
            return sources.get(connection, source_id)
