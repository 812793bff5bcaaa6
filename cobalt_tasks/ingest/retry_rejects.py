"""Refused lines, read again: a newer version may understand them."""

from contextlib import suppress

from cobalt_tasks.core.errors import BrokerUnavailableError
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db.engine import Database
from cobalt_tasks.ingest import formats, own_faults
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.derive import Planner
from cobalt_tasks.ingest.formats.base import Format
from cobalt_tasks.ingest.reading import state_of
from cobalt_tasks.ingest.store import rejects, sources, write_batch
from cobalt_tasks.ingest.store.rejects import Rejected
from cobalt_tasks.jobs.dispatcher import Dispatcher

_AT_ONCE = 500


def retry_rejects(
    database: Database, settings: Settings, source: str | None = None, port: int | None = None
) -> tuple[int, int]:
    """Read refused lines again; return how many were tried and how many became records.

    database, settings: the ledger, and the scope; source: only lines of this source, None for all; port: the one that
    was scanned, None if the input names it.
    """
    planner = Planner(settings)
    tried = taken = after = 0
    kinds: set[str] = set()
    while True:
        with database.reading() as connection:
            found = rejects.listing(connection, source=source, after=after, limit=_AT_ONCE)
            known = [sources.get(connection, each) for each in {refused.source_id for refused in found}]
        if not found:
            break
        # A line of a table means nothing without its header.
        states = {each.id: state_of(each).format for each in known if each}
        after = found[-1].id
        for each in found:
            chosen = formats.find(each.format)
            if chosen is not None and each.is_whole:
                tried += 1
                parser = chosen()
                parser.port, parser.state = port, states.get(each.source_id)
                made = _again(database, planner, parser, each)
                taken += made is not None
                kinds |= made or set()
    if kinds:
        # Without a broker the jobs are in the ledger all the same, and the sweep sends them.
        with suppress(BrokerUnavailableError):
            Dispatcher(database, settings).dispatch(kinds)
    return tried, taken


def _again(database: Database, planner: Planner, parser: Format, refused: Rejected) -> set[str] | None:
    """Read one line again; return the kinds of jobs it made, or None when it is refused again."""
    batch = Batch(refused.source_id, refused.arrived_at, parser.tool)
    try:
        parser.parse(refused.line, refused.position, batch)
        if batch.rejects or not batch.records:
            return None
        planner.plan(batch)
        database.write(lambda connection: write_batch.replace_reject(connection, refused, batch))
    except own_faults.NOT_OF_A_RECORD:
        raise
    except Exception:  # noqa: BLE001  # the fault of ours that refused it the first time is still there
        return None
    return {job.kind for job in batch.jobs}
