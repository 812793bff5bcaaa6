"""What follows from a whole input: what it does not list, or lists as closed, is no longer open."""

from collections.abc import Callable, Sequence
from typing import Final

from cobalt_tasks.core.coverage import ScanCoverage
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts import covered_ports
from cobalt_tasks.ingest.formats.base import Format
from cobalt_tasks.ingest.store.sources import Source

_NOTHING_CLOSED: Final = "nothing that it does not list is taken as closed"


def settle(  # noqa: PLR0913  # what an ending consists of
    database: Database,
    source: Source,
    chosen: type[Format],
    *,
    covers: Sequence[ScanCoverage],
    is_whole: bool,
    now: float,
    report: Callable[[str], None],
) -> None:
    """Close ports as the whole input shows them; an input that was cut closes none. To do so again changes nothing.

    Args:
        database: the ledger.
        source: the input, read to its end.
        chosen: its format.
        covers: what the scan covered, as the user names it; empty: what it does not list shows nothing.
        is_whole: whether the input was written to its end.
        now: epoch seconds.
        report: prints a line for people.

    """
    if source.rejected:
        is_whole = False
    if chosen.closes_at_end and is_whole:
        covered_ports.close_reported(database, source.id)
    if not covers:
        return
    if not is_whole:
        reason = f"{source.rejected:,} of its records were rejected" if source.rejected else "the scan was cut"
        report(f"{source.name}: {reason}: {_NOTHING_CLOSED}")
        return
    done = covered_ports.apply(database, source.id, covers, now)
    report(f"{source.name}: of the ports it covers {done.closed:,} are closed, {done.unconfirmed:,} are not confirmed")
