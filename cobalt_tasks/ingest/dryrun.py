"""What a file holds, before anything is queued: read into a ledger of its own, which is thrown away."""

import math
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db.schema import open_ledger
from cobalt_tasks.geolocation.geolocator import Geolocator
from cobalt_tasks.geolocation.limits import Terms
from cobalt_tasks.hosts import row_counts
from cobalt_tasks.ingest.pipeline import Pipeline
from cobalt_tasks.ingest.store.sources import Source
from cobalt_tasks.ingest.streams.files import FileStream

_LOCAL_PER_SECOND: Final = 2000.0
"""Addresses a worker looks up in local databases in a second, stored; on the slow side."""

_MINUTE: Final = 60.0
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR


class Estimate(Struct, frozen=True, kw_only=True):
    """How long the look-ups would take with one provider alone, in seconds; None: it cannot be asked now."""

    provider: str
    seconds: float | None


class Forecast(Struct, frozen=True, kw_only=True):
    """What would be ingested into an empty ledger."""

    sources: list[Source]
    totals: row_counts.RowCounts
    lookups: list[Estimate]
    unread: list[str]
    """Why files were left out, a line for each."""


def forecast(  # noqa: PLR0913  # what `cobalt ingest` takes
    settings: Settings,
    files: Sequence[Path],
    *,
    report: Callable[[str], None],
    stopping: Callable[[], bool],
    format_name: str | None = None,
    family: str | None = None,
    port: int | None = None,
) -> Forecast:
    """Read files and count; nothing is sent, and nothing is stored where it would stay.

    A file that cannot be read does not keep the others from being counted.

    Args:
        settings: those of the ledger that would be written.
        files: what to read.
        report: prints a line for people.
        stopping: returns whether to end early.
        format_name: the format of all files, None to recognise each.
        family: the only family of formats to consider, None for all.
        port: the port that was scanned, None if the input names it.

    """
    with tempfile.TemporaryDirectory(prefix="cobalt-dry-run-") as folder:
        aside = msgspec.structs.replace(settings, database_url=f"sqlite:///{folder}/ledger.db")
        database = open_ledger(aside)
        try:
            pipeline = Pipeline(database, aside, report=report, stopping=stopping, sends=False)
            found: list[Source] = []
            unread: list[str] = []
            for file in files:
                try:
                    with closing(FileStream(file)) as stream:
                        found.append(pipeline.run(stream, format_name=format_name, family=family, port=port))
                except ConfigurationError as error:
                    report(str(error))
                    unread.append(str(error))
            with database.reading() as connection:
                totals = row_counts.count(connection)
        finally:
            database.dispose()
    lookups = totals.jobs.get("geolocation", 0)
    return Forecast(sources=found, totals=totals, lookups=_estimates(settings, lookups), unread=unread)


def lasting(seconds: float) -> str:
    """Return in words how long something takes."""
    for unit, name in ((_DAY, "days"), (_HOUR, "hours"), (_MINUTE, "minutes")):
        if seconds >= 2 * unit:
            return f"about {seconds / unit:.0f} {name}"
    return f"about {max(1, math.ceil(seconds))} s"


def needed(terms: Terms, lookups: int) -> float:
    """Return the seconds a provider of these `terms` needs for so many `lookups`, the first window being open."""
    per_call = 1 if terms.counts_addresses else terms.batch
    waits = (
        max(0, math.ceil(lookups / (limit.calls * per_call)) - 1) * limit.window
        for limit in terms.limits
        if limit.calls
    )
    return max(waits, default=0.0) + lookups / _LOCAL_PER_SECOND


def _estimates(settings: Settings, lookups: int) -> list[Estimate]:
    geolocator = Geolocator(settings)
    found = []
    if geolocator.databases is not None:
        installed = geolocator.databases.refresh()
        found.append(Estimate(provider="mmdb", seconds=lookups / _LOCAL_PER_SECOND if installed else None))
    found += [
        Estimate(provider=each.terms.provider, seconds=needed(each.terms, lookups)) for each in geolocator.providers
    ]
    return found
