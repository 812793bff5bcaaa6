"""What people see while input is read: a bar on a terminal, lines elsewhere only when something happens."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from cobalt_tasks.core.text import printable
from cobalt_tasks.ingest.store.sources import Source, Tally
from cobalt_tasks.ingest.streams.files import Stream

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

_REFRESH_SECONDS: Final = 0.1


class Progress:
    """Shows rate, position and time left of one stream at a time. Names are shown as data."""

    def __init__(self) -> None:
        """Show a bar if standard error is a terminal."""
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._stream: Stream | None = None
        self._shown = 0.0
        self._first: Source | None = None
        if sys.stderr.isatty():
            self._bar = _bar()

    def __enter__(self) -> Self:
        """Start to show."""
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the terminal clean."""
        if self._bar is not None:
            self._bar.stop()

    def start(self, stream: Stream) -> None:
        """Show another stream."""
        self._stream, self._first, self._shown = stream, None, 0.0
        if self._bar is not None:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._task = self._bar.add_task(_safe(stream.name), total=stream.size, records="0")

    def moved(self, before: Source, source: Source) -> None:
        """Show that a batch was committed: `before` and `source` are the source before and after it."""
        if self._first is None:
            self._first = before
        now = time.monotonic()
        if self._bar is None or self._task is None or self._stream is None or now - self._shown < _REFRESH_SECONDS:
            return
        self._shown = now
        self._bar.update(self._task, completed=source.position, total=self._stream.size, records=f"{source.read:,}")

    def change(self, source: Source) -> Tally:
        """Return what this run added to the ledger of a source."""
        tally = source.tally
        tally.add(self._first.tally if self._first is not None else tally, -1)
        return tally

    def report(self, text: str) -> None:
        """Print a line for people, beside the bar."""
        line = f"cobalt: {_safe(text)}"
        if self._bar is not None and self._bar.live.is_started:
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()

    def show(self, text: str) -> None:
        """Print a line of output."""
        if self._bar is not None:
            self._bar.stop()
        sys.stdout.write(_safe(text) + "\n")
        sys.stdout.flush()
        if self._bar is not None:
            self._bar.start()


def _bar() -> "Bar":
    from rich.console import Console  # noqa: PLC0415  # only on a terminal
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn  # noqa: PLC0415
    from rich.progress import Progress as Bar  # noqa: PLC0415

    return Bar(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TextColumn("{task.fields[records]} records", markup=False),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        refresh_per_second=4,
    )


def _safe(text: str) -> str:
    return printable(text.encode("utf-8", "surrogateescape"))
