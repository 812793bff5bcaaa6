"""Shows how many jobs are final: a bar on a terminal, a line every few seconds elsewhere."""

import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from cobalt_tasks.core.records import FINAL_STATES
from cobalt_tasks.supervisor.terminal import print_line, unharmed

_LINE_SECONDS = 5.0


class JobProgress:
    """Shows job counts as they change, on standard error."""

    def __init__(self, *, enabled: bool) -> None:
        """Show nothing unless enabled."""
        self._enabled = enabled
        self._bar: Bar | None = None
        self._printed_at = 0.0
        self._printed = self._last = (-1, -1)

    def __enter__(self) -> Self:
        """Show the bar, if standard error is a terminal."""
        if self._enabled and sys.stderr.isatty():
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            self._bar = Bar(*columns, console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task("jobs", total=None)
            self._bar.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        """Remove the bar, or print the last counts, if they came too soon after a line."""
        if self._bar:
            with unharmed():
                self._bar.stop()
        elif self._enabled and self._last != self._printed:
            self._print()

    def show(self, counts: Mapping[str, Mapping[str, int]]) -> None:
        """Show counts of jobs by kind and state."""
        total = sum(sum(states.values()) for states in counts.values())
        final = sum(states.get(state, 0) for states in counts.values() for state in FINAL_STATES)
        if self._bar:
            with unharmed():
                self._bar.update(self._task, completed=final, total=total or None)
            return
        self._last = final, total
        if self._enabled and self._last != self._printed and time.monotonic() - self._printed_at >= _LINE_SECONDS:
            self._print()

    def _print(self) -> None:
        final, total = self._last
        print_line(f"jobs: {final} of {total} final")
        self._printed, self._printed_at = self._last, time.monotonic()
