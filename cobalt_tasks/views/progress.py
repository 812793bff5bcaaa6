"""How far a long command is: a bar on a terminal, nothing elsewhere."""

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import (
    Progress as Bar,
)


class ProgressBar:
    """A bar on standard error, where that is a terminal."""

    def __init__(self, what: str, total: int) -> None:
        """Describe the bar.

        what: what is counted, such as "hosts scored"; total: the number at its end.
        """
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bar = Bar(
            *columns,
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        self._what = what
        self._task = self._bar.add_task(what, total=total or None)

    def __enter__(self) -> Self:
        """Show the bar."""
        self._bar.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        """Remove the bar."""
        self._bar.stop()

    def show(self, done: int) -> None:
        """Move the bar to `done`."""
        self._bar.update(self._task, completed=done, description=self._what)

    def describe(self, text: str) -> None:
        """Show other words beside the bar, while nothing is counted."""
        self._bar.update(self._task, description=text)
