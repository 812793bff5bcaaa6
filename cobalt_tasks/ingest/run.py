"""One call of `cobalt ingest`: which streams, in which order, and what is printed about them."""

import glob
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

import msgspec
from msgspec import Struct

from cobalt_tasks.core import access
from cobalt_tasks.core.coverage import ScanCoverage
from cobalt_tasks.core.errors import (
    CobaltError,
    ConfigurationError,
    DatabaseBusyError,
    DatabaseRefusedError,
    DatabaseUnavailableError,
)
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db.schema import open_ledger
from cobalt_tasks.fingerprints import installed as fingerprints
from cobalt_tasks.ingest import formats
from cobalt_tasks.ingest.commit import retry_while_unavailable
from cobalt_tasks.ingest.pipeline import Pipeline
from cobalt_tasks.ingest.progress import Progress
from cobalt_tasks.ingest.store.sources import Source
from cobalt_tasks.ingest.streams import journal
from cobalt_tasks.ingest.streams.files import FileStream, FollowedFile, Stream, storable

REJECTED_EXIT: Final = 3
INTERRUPTED_EXIT: Final = 130
_LOOK_SECONDS: Final = 0.1
_NICER: Final = 5
_WAIT_SECONDS: Final = 600.0
"""How long a file waits for a database that is there and takes no connection."""

_WILD: Final = frozenset("*?[")


class Options(Struct, frozen=True, kw_only=True):
    """What the user asked for."""

    files: tuple[str, ...] = ()
    family: str | None = None
    format: str | None = None
    name: str | None = None
    port: int | None = None
    covers: tuple[ScanCoverage, ...] = ()
    resume: bool = False
    only_journal: str | None = None
    """Of those that wait, resume only this one."""
    follow: bool = False
    listen: str = ""
    dry_run: bool = False
    strict: bool = False
    as_json: bool = False
    journal_limit: int = journal.LIMIT


class Stop:
    """Whether a signal has requested a clean end."""

    def __init__(self) -> None:
        """Start without a signal."""
        self.signal = 0

    def __call__(self) -> bool:
        """Return whether to stop."""
        return self.signal != 0

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        self.signal = number
        # A second one ends the process where it stands: nothing is lost by that either.
        signal.signal(number, signal.SIG_DFL)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Within the block, SIGINT and SIGTERM request a stop at the next checkpoint."""
        before = {number: signal.signal(number, self._receive) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def run(settings: Settings, options: Options) -> int:
    """Ingest what `options` name, with these `settings`; return the exit code.

    Raises:
        CobaltError: nothing could be started, or one source could not be read; the others were.

    """
    if options.format:
        formats.named(options.format)
    fingerprints.use(settings.fingerprints_folder)
    stop = Stop()
    with stop.listening():
        return _dry_run(settings, options, stop) if options.dry_run else _Session(settings, options, stop).run()


def _dry_run(settings: Settings, options: Options, stop: Stop) -> int:
    """Print what files hold."""
    from cobalt_tasks.ingest.dryrun import forecast, lasting  # noqa: PLC0415  # only this needs the providers

    progress = Progress()
    found = forecast(
        settings,
        [Path(file) for file in _expanded(options.files)],
        report=progress.report,
        stopping=stop,
        format_name=options.format,
        family=options.family,
        port=options.port,
    )
    code = ConfigurationError.exit_code if found.unread else _ending(found.sources, options)
    if options.as_json:
        ledgers = [{"name": each.name, **msgspec.structs.asdict(each.tally)} for each in found.sources]
        sys.stdout.write(msgspec.json.encode({**msgspec.to_builtins(found), "sources": ledgers}).decode() + "\n")
        return code
    for each in found.sources:
        progress.show(_ledger(each))
    totals = found.totals
    progress.show(f"{totals.connections:,} connections, {totals.hosts:,} hosts, {totals.ports:,} ports")
    progress.show("jobs: " + (", ".join(f"{number:,} {kind}" for kind, number in totals.jobs.items()) or "none"))
    for lookup in found.lookups if totals.jobs.get("geolocation") else ():
        missing = "no database is installed: cobalt geodb update"
        when = missing if lookup.seconds is None else f"{lasting(lookup.seconds)} for all look-ups"
        progress.show(f"geolocation by {lookup.provider}: {when}")
    progress.show("nothing was stored or queued")
    return code


def _ending(sources: Iterable[Source], options: Options) -> int:
    """Return the exit code: a source of which nothing could be used is a failure, whether the user was strict or not.

    sources: what was read; options: what the user asked for.
    """
    rejected = [each for each in sources if each.rejected]
    is_failure = options.strict or any(each.rejected + each.ignored == each.read for each in rejected)
    return REJECTED_EXIT if rejected and is_failure else 0


def _ledger(source: Source) -> str:
    return (
        f"{source.name}: {source.read} read = {source.accepted} accepted + {source.duplicates} duplicates "
        f"+ {source.rejected} rejected + {source.ignored} ignored"
    )


def _expanded(names: tuple[str, ...]) -> list[str]:
    """Return file names, each once; a pattern the shell left alone stands for the files it matches, in order."""
    found: dict[str, None] = {}
    for name in names:
        matches = [] if Path(name).exists() or not _WILD.intersection(name) else sorted(glob.glob(name, recursive=True))  # noqa: PTH207  # may be absolute
        found.update(dict.fromkeys(matches or [name]))
    return list(found)


class _Session:
    def __init__(self, settings: Settings, options: Options, stop: Stop) -> None:
        self._settings = settings
        self._options = options
        self._stop = stop
        self._progress = Progress()
        self._started = time.monotonic()
        self._done: list[Source] = []
        self._errors: list[CobaltError] = []

    def run(self) -> int:
        # A pipe is journaled before anything else can go wrong.
        piped = self._open_pipe() if "-" in self._options.files or self._options.listen else None
        try:
            database = retry_while_unavailable(
                lambda: open_ledger(self._settings),
                report=self._progress.report,
                stopping=self._stop,
                hopeless=lambda error: self._is_hopeless(error, is_pipe=piped is not None),
            )
        except DatabaseUnavailableError:
            if piped is not None:
                self._leave(piped, is_unreadable=False)
            raise
        pipeline = Pipeline(
            database,
            self._settings,
            report=self._progress.report,
            stopping=self._stop,
            moved=self._progress.moved,
        )
        try:
            with self._progress:
                for opening in self._openings(piped):
                    if self._stop():
                        break
                    self._one(pipeline, opening)
        finally:
            pipeline.close()
            database.dispose()
        return self._end()

    def _is_hopeless(self, error: DatabaseUnavailableError, *, is_pipe: bool) -> bool:
        """Return whether to end instead of waiting for a database that has not answered yet.

        Bytes of a pipe are safe in the journal while they wait for any database. A file can be read again later: it
        waits only for one that is there.
        """
        if is_pipe:
            return isinstance(error, DatabaseRefusedError)
        return not isinstance(error, DatabaseBusyError) or time.monotonic() - self._started > _WAIT_SECONDS

    def _open_pipe(self) -> journal.JournalStream:
        """Start the journal; it and the program that writes into it go before the reading."""
        about = journal.About(
            name=storable(self._options.name or self._options.listen or "stdin"),
            format=self._options.format,
            family=self._options.family,
            port=self._options.port,
            covers=self._options.covers,
            is_from_network=self._options.listen.startswith("tcp://"),
        )
        self._require_safe_listening()
        limit, address = self._options.journal_limit, self._options.listen
        stream = journal.start(self._settings.journal_folder, about, limit, listen=address)
        os.nice(_NICER)
        return stream

    def _require_safe_listening(self) -> None:
        """Raise ConfigurationError for a scan from a TCP port without a scope; warn of a port others can reach."""
        if not self._options.listen.startswith("tcp://"):
            return
        if formats.may_scan(self._options.format, self._options.family) and not self._settings.scope:
            raise ConfigurationError(formats.NO_SCANS)
        host = self._options.listen.removeprefix("tcp://").rpartition(":")[0].strip("[]")
        if not access.is_loopback(host):
            self._progress.report(
                f"every machine that reaches {host or 'this machine'} can write into the ledger: listen on 127.0.0.1 "
                "or unix:PATH, and let senders come through ssh or TLS"
            )

    def _openings(self, piped: journal.JournalStream | None) -> Iterator[Callable[[], Stream]]:
        if self._options.resume:
            waiting = list(journal.abandoned(self._settings.journal_folder))
            if not waiting and not self._options.files and not self._options.listen:
                self._progress.show("no journal waits: nothing to resume")
            for folder in waiting:
                if self._options.only_journal not in {None, folder.name}:
                    continue
                yield lambda folder=folder: journal.JournalStream(folder)  # type: ignore[misc]
        for file in _expanded(self._options.files):
            if file == "-":
                continue
            if self._options.follow:
                yield from self._followed(Path(file))
            else:
                yield lambda file=file: FileStream(Path(file), self._options.name)  # type: ignore[misc]
        if piped is not None:
            yield lambda: piped

    def _followed(self, path: Path) -> Iterator[Callable[[], Stream]]:
        """Yield a file again and again, whenever another has its name."""
        if not path.exists():
            self._progress.report(f"{path}: not there yet; waiting for it")
        while not self._stop():
            if path.exists():
                yield lambda: FollowedFile(path, self._options.name)
                if self._errors:
                    return
            else:
                time.sleep(_LOOK_SECONDS)

    def _one(self, pipeline: Pipeline, opening: Callable[[], Stream]) -> None:
        stream: Stream | None = None
        is_unreadable = False
        try:
            stream = opening()
            started = time.monotonic()
            self._progress.start(stream)
            about = stream.about if isinstance(stream, journal.JournalStream) else journal.About(name="")
            source = pipeline.run(
                stream,
                format_name=self._options.format or about.format,
                family=self._options.family or about.family,
                port=about.port if self._options.port is None else self._options.port,
                covers=self._options.covers or about.covers,
                # A scan makes us probe what it names: a stranger's must not, without a scope that bounds it.
                scans=not about.is_from_network or bool(self._settings.scope),
            )
            self._done.append(source)
            self._print_ledger(source, time.monotonic() - started)
        except CobaltError as error:
            self._progress.report(str(error))
            self._errors.append(error)
            is_unreadable = isinstance(error, ConfigurationError)
        finally:
            if stream is not None:
                self._leave(stream, is_unreadable=is_unreadable)

    def _leave(self, stream: Stream, *, is_unreadable: bool) -> None:
        """Close a stream; of a journal that is not stored, print where it is, and what to do if its format is unknown."""
        stream.close()
        if isinstance(stream, journal.JournalStream):
            if stream.is_stored():
                stream.discard()
            else:
                waiting = f"{stream.name}: some bytes wait in the journal {stream.folder.name}"
                self._progress.report(f"{waiting}; cobalt ingest --resume stores them")
                if is_unreadable:
                    command = f"cobalt sources journals retry {stream.folder.name} --format F"
                    self._progress.report(f"name its format with {command}, or delete it with … forget")

    def _print_ledger(self, source: Source, seconds: float) -> None:
        if self._options.as_json:
            return
        change = self._progress.change(source)
        rate = f"{change.read / seconds:,.0f}/s" if change.read and seconds else "nothing new"
        self._progress.show(f"{_ledger(source)} ({source.format or 'empty'}; {rate})")

    def _end(self) -> int:
        if self._options.as_json:
            for each in self._done:
                ledger = {"name": each.name, **msgspec.structs.asdict(each.tally)}
                sys.stdout.write(msgspec.json.encode(ledger).decode() + "\n")
        if self._errors:
            return max(error.exit_code for error in self._errors)
        if self._stop.signal == signal.SIGINT:
            return INTERRUPTED_EXIT
        return _ending(self._done, self._options)
