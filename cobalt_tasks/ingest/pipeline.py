"""From streams to the ledger, with one memory of what was asked for and one thread that sends."""

from collections.abc import Callable
from typing import Final, TypeVar

from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db.engine import Database
from cobalt_tasks.ingest import formats
from cobalt_tasks.ingest import source_identity as identity
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.commit import Committer, persist
from cobalt_tasks.ingest.derive import Planner
from cobalt_tasks.ingest.formats.base import BLANK, Format
from cobalt_tasks.ingest.reading import Reading
from cobalt_tasks.ingest.sender import Postman
from cobalt_tasks.ingest.store.sources import Source
from cobalt_tasks.ingest.streams.files import Stream
from cobalt_tasks.jobs.dispatcher import Dispatcher

T = TypeVar("T")

_WAIT_SECONDS: Final = 0.5


class Pipeline:
    """Ingests streams, one after the other."""

    def __init__(  # noqa: PLR0913  # what it works with, and who is told
        self,
        database: Database,
        settings: Settings,
        *,
        say: Callable[[str], None],
        stopping: Callable[[], bool] = lambda: False,
        moved: Callable[[Source, Source], None] = lambda *_: None,
        sends: bool = True,
    ) -> None:
        """Prepare; nothing is read yet.

        `say` gets lines for people, `stopping` is asked between batches, `moved` is told the source before and after each commit. Without `sends`, jobs stay in the ledger.

        Raises:
            ConfigurationError: the scope cannot be read.

        """
        self._database = database
        self._say = say
        self._stopping = stopping
        self._told = moved
        self._planner = Planner(settings)
        self._committer = Committer(database, say, stopping)
        self._postman = Postman(Dispatcher(database, settings), say) if sends else None

    def close(self) -> None:
        """Send what was committed last."""
        if self._postman is not None:
            self._postman.close()

    def run(
        self,
        stream: Stream,
        *,
        format_name: str | None = None,
        family: str | None = None,
        port: int | None = None,
        scans: bool = True,
    ) -> Source:
        """Read a stream to its end, or until asked to stop; return its source as the ledger has it.

        `port` is the one that was scanned, for input that does not say; without `scans`, only traffic is read.

        Raises:
            ConfigurationError: its format is not recognised, or it is not the one it was read with before.
            CheckpointMovedError: another process is reading it.

        """
        source = self._persist(lambda: identity.find(self._database, stream))
        chosen = self._choose(stream, source, format_name, family)
        if chosen and not scans and not chosen.is_traffic:
            raise ConfigurationError(f"{stream.name}: {formats.NO_SCANS}")
        if source is None:
            source = self._persist(lambda: identity.make(self._database, stream))
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
        return reading.run()

    def _moved(self, before: Source, source: Source, batch: Batch) -> None:
        self._planner.committed(batch)
        if batch.jobs and self._postman is not None:
            self._postman.notify({job.kind for job in batch.jobs})
        self._told(before, source)

    def _persist(self, work: Callable[[], T]) -> T:
        return persist(work, say=self._say, stopping=self._stopping)

    def _choose(
        self,
        stream: Stream,
        source: Source | None,
        format_name: str | None,
        family: str | None,
    ) -> type[Format] | None:
        """Fix the format of a source: the one it was read with, else what the user says or its content looks like."""
        if source is None or source.format is None:
            return formats.named(format_name) if format_name else self._recognise(stream, family)
        if format_name and format_name != source.format:
            message = f"{source.name} was read as {source.format}; to read it as {format_name}, forget it first"
            raise ConfigurationError(f"{message}: cobalt sources forget {source.id}")
        return formats.named(source.format)

    def _recognise(self, stream: Stream, family: str | None) -> type[Format] | None:
        """Look at the beginning; a pipe is waited for until it has said enough.

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
