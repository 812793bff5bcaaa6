"""The modes of `cobalt geolocate` that need the ledger."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from msgspec import Struct

from cobalt_tasks.core.catalog import GEOLOCATION
from cobalt_tasks.core.errors import BrokerUnavailableError, CobaltError
from cobalt_tasks.core.kinds import Urgency
from cobalt_tasks.core.providers import LOCAL
from cobalt_tasks.core.records import Location, NewJob
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.schema import open_ledger
from cobalt_tasks.geolocation import store as locations
from cobalt_tasks.geolocation.in_process import Runner, look_up, queue
from cobalt_tasks.geolocation.local.mmdb import LocalDatabases
from cobalt_tasks.geolocation.store import Needing
from cobalt_tasks.hosts import stats
from cobalt_tasks.jobs import creation
from cobalt_tasks.jobs.dispatcher import Dispatcher
from cobalt_tasks.views import documents

if TYPE_CHECKING:
    from rich.progress import Progress

_CLOCK_SECONDS = 5.0
"""How far the clock of a worker that was quicker may be behind."""


class NoLocationError(CobaltError):
    """No database and no provider has a location for the address."""


class GeolocateOptions(Struct, frozen=True, kw_only=True):
    """Which hosts, how many at once, and how long to pause between; ages and pauses in seconds."""

    batch: int
    delay: float
    max_age: float
    force: bool


def queue_jobs(settings: Settings, options: GeolocateOptions, *, as_json: bool) -> None:
    """Make jobs and send them; when Redis does not answer they wait in the ledger.

    settings: of this installation; options: which hosts; as_json: print one JSON object instead of a sentence.
    """
    with closing_ledger(settings) as database:
        dispatcher = Dispatcher(database, settings)
        hosts = made = sent = 0
        trouble = None
        needing = _needing(settings, options)
        with _progress(database, needing) as bar:
            for page in queue(database, needing, options.batch):
                hosts, made = hosts + len(page.addresses), made + page.made
                if trouble is None:
                    try:
                        sent += dispatcher.dispatch([GEOLOCATION])
                    except BrokerUnavailableError as error:
                        trouble = str(error)
                bar.leave_out(page.private)
                bar.report(len(page.addresses), 0)
    if as_json:
        documents.print_object({"hosts": hosts, "jobs": made, "sent": sent})
        return
    click.echo(f"{hosts:,} hosts need a location; {made:,} jobs made, {sent:,} sent.")
    if trouble and made:
        click.echo(f"cobalt: {trouble}; the jobs wait in the ledger and follow by themselves", err=True)


def work(settings: Settings, options: GeolocateOptions, *, concurrency: int, as_json: bool) -> None:
    """Make jobs and do them in this process.

    Args:
        settings: of this installation.
        options: which hosts, and how fast.
        concurrency: provider calls at the same time.
        as_json: print one JSON object instead of sentences.

    """
    started = time.monotonic()
    with closing_ledger(settings) as database:
        needing = _needing(settings, options)
        with (
            _progress(database, needing) as bar,
            Runner(database, settings, concurrency, bar.report) as runner,
            _stopping_between_steps(runner),
        ):
            for count, page in enumerate(queue(database, needing, options.batch)):
                if count and options.delay:
                    runner.pause(options.delay)
                bar.leave_out(page.private)
                runner.run_ready(page.addresses)
                runner.run_calls()
            left = runner.run_until_done()
        with database.reading() as connection:
            coverage = stats.coverage(connection)
    seconds = time.monotonic() - started
    ended = sum(runner.codes.values())
    if as_json:
        found = {"ended": ended, "outcomes": dict(runner.codes), "unfinished": left, "seconds": round(seconds, 3)}
        documents.print_object({**found, "coverage": coverage})
        return
    listed = ", ".join(f"{count:,} {code}" for code, count in runner.codes.most_common()) or "nothing to do"
    click.echo(f"{ended:,} look-ups in {seconds:.1f} s: {listed}.")
    if left:
        click.echo(f"{left:,} jobs wait in the ledger for a provider's quota; run this again, or start the workers.")
    click.echo(f"{coverage.located:,} of {coverage.hosts:,} hosts located ({coverage.coverage:.1%}).")


def queue_one(settings: Settings, address: str, *, force: bool, as_json: bool) -> None:
    """Make and send the job of one address; it is started before all others.

    Args:
        settings: of this installation.
        address: in canonical form.
        force: also if its location is fresh.
        as_json: print one JSON object instead of a sentence.

    """
    new = NewJob(kind=GEOLOCATION, address=address, urgency=Urgency.INTERACTIVE, forced=force)
    sent = 0
    with closing_ledger(settings) as database:
        made = database.write(lambda c: creation.create(c, [new]))
        try:
            sent = Dispatcher(database, settings).dispatch([GEOLOCATION])
        except BrokerUnavailableError as error:
            click.echo(f"cobalt: {error}; the job waits in the ledger", err=True)
    if as_json:
        documents.print_object({"hosts": 1, "jobs": made, "sent": sent})
    else:
        click.echo(f"{address}: {'queued' if made else 'fresh, or being asked about already: nothing to do'}")


def locate_one(settings: Settings, address: str, *, force: bool, seconds: float) -> Location:
    """Ask the local databases and the providers that are on about one address.

    Args:
        settings: of this installation.
        address: in canonical form.
        force: ask again, even if its location is fresh.
        seconds: how long to wait for an answer.

    Raises:
        NoLocationError: none has a location, or none can be reached; with `force`, also if there is an older answer.

    """
    began = time.time()
    with closing_ledger(settings) as database:
        found = look_up(database, settings, [address], forced=force, seconds=seconds)
        if address in found and (not force or found[address].fetched_at >= began - _CLOCK_SECONDS):
            return found[address]
        with database.reading() as connection:
            code, detail = locations.last_outcomes(connection, [address]).get(address, ("no answer in time", None))
    raise NoLocationError(f"{address}: {code}" + (f" ({detail})" if detail else ""))


@contextmanager
def closing_ledger(settings: Settings) -> Iterator[Database]:
    """Yield the ledger, and close it at the end."""
    database = open_ledger(settings)
    try:
        yield database
    finally:
        database.dispose()


@contextmanager
def _stopping_between_steps(runner: Runner) -> Iterator[None]:
    """Stop the work between two steps on Ctrl-C, and immediately on a second one.

    An exception in the middle of a step may be lost in a callback of a library, or leave a lock behind that a thread of
    the runner waits for.
    """

    def stop(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        runner.stop()

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _needing(settings: Settings, options: GeolocateOptions) -> Needing:
    built = None
    if LOCAL in settings.geo_providers:
        databases = LocalDatabases(settings.geodb_folder)
        databases.refresh()
        built = databases.built
    return Needing(older_than=time.time() - options.max_age, built=built, everything=options.force)


class _Bar:
    """A bar with rate, successes, failures and the time left."""

    def __init__(self, progress: "Progress", total: int) -> None:
        self._progress = progress
        self._started = time.monotonic()
        self._total = total
        self._done = self._failed = 0
        self._task = progress.add_task("geolocate", total=total, rate=0.0, done=0, failed=0)

    def report(self, done: int, failed: int) -> None:
        """Count what has ended since the last call."""
        self._done += done
        self._failed += failed
        self._show()

    def leave_out(self, hosts: int) -> None:
        """Subtract hosts that no provider is asked about from the total."""
        self._total -= hosts
        self._show()

    def _show(self) -> None:
        ended = self._done + self._failed
        rate = ended / max(0.001, time.monotonic() - self._started)
        self._progress.update(
            self._task,
            total=self._total,
            completed=min(self._total, ended),
            done=self._done,
            failed=self._failed,
            rate=rate,
        )


@contextmanager
def _progress(database: Database, needing: Needing) -> Iterator[_Bar]:
    """Show the progress, if standard error is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    with database.reading() as connection:
        total = locations.count_candidates(connection, needing)
    console = Console(stderr=True)
    columns = (
        TextColumn("geolocate"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:,.0f}/s  {task.fields[done]:,} ok  {task.fields[failed]:,} failed"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        yield _Bar(progress, total)
