"""From streams to the ledger, with one memory of what was asked for and one thread that sends."""

import time
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from cobalt_tasks.core.coverage import ScanCoverage
from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db.engine import Database
from cobalt_tasks.ingest import ending, formats, source_identity
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.commit import Committer, retry_while_unavailable
from cobalt_tasks.ingest.derive import Planner
from cobalt_tasks.ingest.formats.base import BLANK, Format
from cobalt_tasks.ingest.reading import Reading
from cobalt_tasks.ingest.sender import JobSender
from cobalt_tasks.ingest.store.sources import Source
from cobalt_tasks.ingest.streams.files import Stream
from cobalt_tasks.jobs.dispatcher import Dispatcher

T = TypeVar("T")

_WAIT_SECONDS: Final = 0.5


class Pipeline:
    """Ingests streams, one after the other."""

    def __init__(  # noqa: PLR0913  # what it works with, and what it calls
        self,
        database: Database,
        settings: Settings,
        *,
        report: Callable[[str], None],
        stopping: Callable[[], bool] = lambda: False,
        moved: Callable[[Source, Source], None] = lambda *_: None,
        sends: bool = True,
    ) -> None:
        """Prepare; nothing is read yet.

        database, settings: the ledger, and how it is filled; report: prints a line for people; stopping: returns whether to
        end early, called between batches; moved: called after each commit with the source before and after; sends:
        whether jobs are sent, or stay in the ledger.

        Raises:
            ConfigurationError: the scope cannot be read.

        """
        self._database = database
        self._report = report
        self._stopping = stopping
        self._on_commit = moved
        self._planner = Planner(settings)
        self._committer = Committer(database, report, stopping)
        self._sender = JobSender(Dispatcher(database, settings), report) if sends else None

    def close(self) -> None:
        """Send what was committed last."""
        if self._sender is not None:
            self._sender.close()

    def run(  # noqa: PLR0913  # a stream, and what the user knows of it
        self,
        stream: Stream,
        *,
        format_name: str | None = None,
        family: str | None = None,
        port: int | None = None,
        covers: Sequence[ScanCoverage] = (),
        scans: bool = True,
    ) -> Source:
        """Read a stream to its end, or until asked to stop; return its source as the ledger has it.

        stream: its bytes; format_name, family: the format, or the only family to consider, None to recognise it;
        port: the one that was scanned, None if the input names it; covers: what was scanned, as the user names it; scans: whether scans are read too, or only traffic.

        Raises:
            ConfigurationError: its format is not recognised, or it is not the one it was read with before.
            CheckpointMovedError: another process is reading it.

        """
        source = self._retry(lambda: source_identity.find(self._database, stream))
        chosen = self._choose(stream, source, format_name, family)
        if chosen and not scans and not chosen.is_traffic:
            raise ConfigurationError(f"{stream.name}: {formats.NO_SCANS}")
        if source is None:
            source = self._retry(lambda: source_identity.make(self._database, stream))
        if chosen is None:
            return source
        reading = Reading(
            stream,
            source,
            chosen,
            port=port,
            planner=self._planner,
            committer=self._committer,
            stopping=self._stopping,
            moved=self._moved,
        )
        source = reading.run()
        if not chosen.is_traffic and stream.ended() and not self._stopping():
            self._settle(source, chosen, covers, is_whole=reading.is_whole())
        return source

    def _settle(self, source: Source, chosen: type[Format], covers: Sequence[ScanCoverage], *, is_whole: bool) -> None:
        self._retry(
            lambda: ending.settle(
                self._database,
                source,
                chosen,
                covers=covers,
                is_whole=is_whole,
                now=time.time(),
                report=self._report,
            )
        )

    def _moved(self, before: Source, source: Source, batch: Batch) -> None:
        self._planner.committed(batch)
        if batch.jobs and self._sender is not None:
            self._sender.notify({job.kind for job in batch.jobs})
        self._on_commit(before, source)

    def _retry(self, work: Callable[[], T]) -> T:
        return retry_while_unavailable(work, report=self._report, stopping=self._stopping)

    def _choose(
        self,
        stream: Stream,
        source: Source | None,
        format_name: str | None,
        family: str | None,
    ) -> type[Format] | None:
        """Fix the format of a source: the one it was read with, else what the user names or its content looks like."""
        if source is None or source.format is None:
            return formats.named(format_name) if format_name else self._recognise(stream, family)
        if format_name and format_name != source.format:
            message = f"{source.name} was read as {source.format}; to read it as {format_name}, forget it first"
            raise ConfigurationError(f"{message}: cobalt sources forget {source.id}")
        return formats.named(source.format)

    def _recognise(self, stream: Stream, family: str | None) -> type[Format] | None:
        """Recognise the format by the start; a pipe is waited for until enough has come.

        Raises:
            ConfigurationError: it looks like no format.

        """
        while True:
            sample = stream.sample(formats.SAMPLE)
            ended = stream.ended()
            is_full = len(sample) >= formats.SAMPLE
            whole = sample if ended and not is_full else sample[: sample.rfind(b"\n") + 1]
            if is_full and not whole:
                whole = sample
            found = formats.recognise(whole, family)
            if found or ended or is_full or self._stopping():
                break
            stream.wait(_WAIT_SECONDS)
        if found is None and sample.strip(BLANK + b"[],") and not self._stopping():
            raise ConfigurationError(f"{stream.name}: {formats.advice(sample)}")
        return found
