"""A commit whose answer was lost counts as done only if the checkpoint is where this commit was to put it."""

from collections.abc import Callable

import msgspec
import pytest

from cobalt_tasks.core.errors import CheckpointMovedError, DatabaseUnavailableError
from cobalt_tasks.db.engine import Database
from cobalt_tasks.ingest.commit import Committer
from cobalt_tasks.ingest.store import sources
from cobalt_tasks.ingest.store.sources import Checkpoint, Source, Tally

TARGET = 10
CHECKPOINT = Checkpoint(position=TARGET, format="capture", head=None, head_length=0, tail=None)


class Interrupted:
    """A ledger whose first transaction is lost with the connection, before its commit; another process moves on meanwhile."""

    is_sqlite = True

    def __init__(self, database: Database, meanwhile: Callable[[], object], *, is_lost: bool) -> None:
        """Wrap a ledger. meanwhile: what the other process does; is_lost: whether our own connection is lost too."""
        self._database = database
        self._meanwhile: Callable[[], object] | None = meanwhile
        self._is_lost = is_lost

    def write(self, work: Callable[..., Source]) -> Source:
        """Do the work, but for the first time."""
        if self._meanwhile is not None:
            self._meanwhile()
            self._meanwhile = None
            if self._is_lost:
                raise DatabaseUnavailableError
        return self._database.write(work)

    def __getattr__(self, name: str) -> object:
        """All else is the ledger's."""
        return getattr(self._database, name)


@pytest.mark.parametrize(("position", "is_lost"), [(TARGET + 5, True), (TARGET - 5, True), (TARGET, False)])
def test_what_another_process_committed_is_not_taken_for_ours(
    database: Database, position: int, *, is_lost: bool
) -> None:
    """It stands elsewhere, or our connection was never lost: the batch is an error, and nothing of it is stored.

    Break: either comparison of `landed` in Committer.commit, or `if interrupted` there.
    """
    with database.writing() as connection:
        source = sources.create(connection, "pipe")
    other = msgspec.structs.replace(CHECKPOINT, position=position)

    def move() -> None:
        database.write(lambda c: sources.advance(c, source, other, Tally(read=7, accepted=7)))

    ledger = Interrupted(database, move, is_lost=is_lost)
    committer = Committer(ledger, lambda _: None, lambda: False)  # type: ignore[arg-type]
    with pytest.raises(CheckpointMovedError):
        committer.commit(source, TARGET, lambda c: sources.advance(c, source, CHECKPOINT, Tally(read=1, accepted=1)))
    with database.reading() as connection:
        found = sources.get(connection, source.id)
    assert found is not None
    assert (found.position, found.read) == (position, 7)
