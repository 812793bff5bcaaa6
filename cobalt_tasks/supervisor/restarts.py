"""Reports children that end by themselves: on the terminal, without a flood, and in the ledger for health."""

import time
from collections import defaultdict, deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cobalt_tasks.core.errors import CobaltError
from cobalt_tasks.db.engine import Database
from cobalt_tasks.jobs import starts
from cobalt_tasks.supervisor.children import Child
from cobalt_tasks.views.text import printable

_LOOP = 3
_WRITE_SECONDS = 1.0
_TAIL_BYTES = 4096
_LONGEST_LINE = 200


class Restarts:
    """The unexpected ends of children within the last minutes."""

    def __init__(self, database: Database, report: Callable[[str], None]) -> None:
        """Start without any. `database`: the ledger; `report`: shows a line to the user."""
        self._database = database
        self._report = report
        self._ends: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=_LOOP))
        self._reported: dict[str, str] = {}

    def ended(self, child: Child, code: int) -> None:
        """Record that `child` ended by itself with the exit code `code`, and will be started again."""
        name, reason = child.command.name, _reason(child.log_file, code)
        with suppress(CobaltError), self._database.deadline(_WRITE_SECONDS):
            self._database.write(starts.add, name, reason)
        now = time.monotonic()
        ends = self._ends[name]
        ends.append(now)
        is_loop = len(ends) == _LOOP and now - ends[0] < starts.WINDOW_SECONDS
        text = (
            f"{name} {'does not stay up' if is_loop else 'ended and is started again'}: {reason}, see {child.log_file}"
        )
        if self._reported.get(name) != text or not is_loop:
            self._reported[name] = text
            self._report(text)


def _reason(log_file: Path, code: int) -> str:
    if code < 0:
        return f"killed by signal {-code}"
    return f"ended with {code}: {last_line(log_file)}"


def last_line(file: Path) -> str:
    """Return the last line of a log that is not empty, cut and safe to print; an empty text if it has no such line."""
    try:
        with file.open("rb") as log:
            log.seek(max(0, log.seek(0, 2) - _TAIL_BYTES))
            lines = log.read().decode(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return printable(lines[-1].strip())[:_LONGEST_LINE] if lines else ""
