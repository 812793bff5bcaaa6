"""Which source a stream is: one read before, its next generation, or a new one."""

from cobalt_tasks.db.engine import Database
from cobalt_tasks.ingest.store import partial_line, sources
from cobalt_tasks.ingest.store.sources import Source
from cobalt_tasks.ingest.streams.files import PRINT, FileStream, Stream, fingerprint


def find(database: Database, stream: Stream) -> Source | None:
    """Return the source of `stream` in the ledger of `database`; None if it was never read."""
    with database.reading() as connection:
        if not isinstance(stream, FileStream):
            return sources.find_journal(connection, stream.key)
        known = sources.find_file(connection, stream.name, stream.device, stream.inode)
    return known if known and _is_same(stream, known) else None


def make(database: Database, stream: Stream) -> Source:
    """Make a source in `database` for a `stream` that was not read before: the next generation of a known name or file.

    Raises:
        CheckpointMovedError: another process made it at this moment.

    """
    if not isinstance(stream, FileStream):
        return database.write(lambda connection: sources.create(connection, stream.name, head=stream.key))
    with database.reading() as connection:
        known = sources.find_file(connection, stream.name, stream.device, stream.inode)
    if known and _is_same(stream, known):
        return known
    return database.write(
        lambda connection: sources.create(
            connection,
            stream.name,
            device=stream.device,
            inode=stream.inode,
            replaces=known.id if known else None,
        ),
    )


def _is_same(stream: FileStream, known: Source) -> bool:
    """Compare a file with what is known of it: its head, the bytes before the checkpoint, and a partial line."""
    if known.head_length and fingerprint(stream.peek(0, known.head_length)) != known.head:
        return False
    before = min(PRINT, known.position)
    data = stream.peek(known.position - before, before)
    if len(data) < before or (known.tail is not None and fingerprint(data) != known.tail):
        return False
    log = partial_line.undo_log_of(known)
    return log is None or fingerprint(stream.peek(known.position, log.length)) == log.digest
