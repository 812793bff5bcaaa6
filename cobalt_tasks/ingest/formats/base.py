"""What a format is: what it declares, how its input is cut into records, and what a record reports."""

from abc import ABC, abstractmethod
from typing import ClassVar

from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.formats import json_text, wrapped

BLANK = json_text.BLANK


class Format(ABC):
    """One input format. An instance reads one source, and its state travels with the checkpoint.

    Attributes:
        name: what `--format` calls it.
        family: what `cobalt ingest FAMILY` calls it and its relatives.
        tool: the program that writes it, for the facts taken from it.
        summary: a few words for the documentation: which output of the tool it is.
        is_traffic: whether it only reports what was seen in traffic. Other formats report scans, and the workers probe
            what a scan names.
        closes_at_end: whether the ports that it reports closed are closed once the input has its end; formats that know
            where a scan ends do that themselves.
        longest: bytes of a record; a longer one is rejected, and skipped without being held.
        unwraps: whether its lines may be wrapped in what log shippers write (`wrapped.py`).
        keeps_times: whether the time of syslog before a line is a part of the line.
        port: the port that was scanned, as the user names it, for input that does not.

    """

    name: ClassVar[str]
    family: ClassVar[str]
    tool: ClassVar[str]
    summary: ClassVar[str]
    is_traffic: ClassVar[bool] = False
    closes_at_end: ClassVar[bool] = False
    longest: ClassVar[int] = 1 << 20
    unwraps: ClassVar[bool] = False
    keeps_times: ClassVar[bool] = False
    port: int | None = None

    @classmethod
    @abstractmethod
    def score(cls, sample: bytes) -> int:
        """Return how much of the start of an input (`sample`) looks like this format: 0 is not at all."""

    @property
    def state(self) -> str | None:
        """What the next piece must know of those before, as text; None when each record stands for itself."""
        return None

    @state.setter  # noqa: B027  # most formats have none
    def state(self, text: str | None) -> None:
        """Go on from a state."""

    @classmethod
    def is_whole(cls, tail: bytes) -> bool:
        """Return whether an input whose last bytes are `tail` (4 KiB at most) was written to its end, as far as that shows."""
        return tail.endswith(b"\n")

    def split(self, data: bytes) -> int:
        """Return how many bytes from the start are whole records."""
        return data.rfind(b"\n") + 1

    def resume(self, data: bytes) -> int:
        """Return where the next record may start after one that was too long, or 0 when that is not in these bytes."""
        return data.find(b"\n") + 1

    @abstractmethod
    def parse(self, data: bytes, position: int, batch: Batch) -> None:
        """Read whole records (`data`), or what is left at the end of the input, into `batch`.

        `position` is that of the first byte. Never raises for what the input holds: each record is observed, discovered, ignored or rejected.
        """


class LineFormat(Format):
    """A format whose records are lines.

    Attributes:
        edges: what is no part of a line at its two ends.

    """

    edges: ClassVar[bytes] = BLANK
    unwraps: ClassVar[bool] = True

    def split(self, data: bytes) -> int:
        """Cut after the last whole line; one may be an object of a log shipper over several."""
        return wrapped.whole(data)

    def parse(self, data: bytes, position: int, batch: Batch) -> None:
        """Read each line of `data`, which starts at byte `position`, into `batch`; blank ones are none."""
        for at, line in wrapped.lines(data, position, batch, keeps_times=self.keeps_times):
            self.one(line, at, batch)

    def one(self, line: bytes, position: int, batch: Batch) -> None:
        """Read one `line` at byte `position` into `batch`; a blank one is none."""
        if line.strip(BLANK):
            try:
                self.line(line.strip(self.edges), batch)
            except RefusedError as refused:
                batch.reject(position, str(refused), line)

    @abstractmethod
    def line(self, line: bytes, batch: Batch) -> None:
        """Read one stripped `line` into `batch`.

        Raises:
            RefusedError: it is none of this format; nothing of it was counted.

        """


class KnownLineFormat(LineFormat):
    """A format each of whose lines shows what it is."""

    @classmethod
    def score(cls, sample: bytes) -> int:
        """Count the lines of the sample that are surely of this format."""
        return sum(1 for line in sample.split(b"\n") if cls.recognises(line.strip(BLANK)))

    @classmethod
    @abstractmethod
    def recognises(cls, line: bytes) -> bool:
        """Return whether a stripped line is surely of this format."""
