"""The producer: one `cobalt ingest` after the other, the same again when it was killed."""

import time
from typing import Final

from cobalt_tasks.chaos.feed import Feed
from cobalt_tasks.chaos.stack import Stack
from cobalt_tasks.core.errors import CobaltError

_BETWEEN_SECONDS: Final = 1.0
_MOST_FAILURES: Final = 10


class Producer:
    """Reads what the feed writes."""

    def __init__(self, stack: Stack, feed: Feed) -> None:
        """Read nothing yet; `stack` runs the ingest, `feed` names the files."""
        self._stack = stack
        self._feed = feed
        self._files: list[str] = []
        self._next_at = 0.0
        self._failures = 0

    def read(self, files: list[str]) -> None:
        """Read these files; those of the call before must be done."""
        self._files = files
        self._stack.produce(files)

    def tend(self, *, more: bool) -> bool:
        """Start the next ingest when it is time; return whether everything that was written is read.

        `more`: write new files. Files that have their first part are always completed and read.

        Raises:
            CobaltError: it fails by itself, again and again.

        """
        if self._files:
            code = self._stack.children["producer"].exit_code()
            if code is None:
                return False
            if code:
                self._failures = self._failures + 1 if code > 0 else 0
                if self._failures > _MOST_FAILURES:
                    raise CobaltError(f"the producer fails: {self._stack.last_words('producer')}")
                self._stack.produce(self._files)
                return False
            self._files = []
            self._failures = 0
            self._next_at = time.monotonic() + _BETWEEN_SECONDS
        if self._feed.is_whole and not more:
            return True
        if time.monotonic() >= self._next_at:
            self.read(self._feed.next_files())
        return False
