"""Sends jobs after the commits, beside the reading: a slow or dead broker must not hold up what is read."""

import random
import threading
import time
from collections.abc import Callable, Iterable
from typing import Final

from cobalt_tasks.core.errors import BrokerUnavailableError, DatabaseUnavailableError
from cobalt_tasks.jobs.dispatcher import Dispatcher

_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 10.0
_SPACING: Final = 0.25
"""Seconds between two looks while a flood goes on: the queues are full anyway."""

_LAST_SECONDS: Final = 10.0


class JobSender:
    """Fills the queues of the kinds that it is notified of. What cannot be sent waits in the ledger for the sweep."""

    def __init__(self, dispatcher: Dispatcher, report: Callable[[str], None]) -> None:
        """Start its thread; `dispatcher` sends, `report` prints a line for people when the broker does not answer."""
        self._dispatcher = dispatcher
        self._report = report
        self._kinds: set[str] = set()
        self._stopping = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="sender", daemon=True)
        self._thread.start()

    def notify(self, kinds: Iterable[str]) -> None:
        """Jobs of these kinds were committed."""
        with self._changed:
            self._kinds.update(kinds)
            self._changed.notify()

    def close(self) -> None:
        """Send the rest and end; a broker that does not answer is not waited for."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(_LAST_SECONDS)

    def _run(self) -> None:
        pause = until = 0.0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopping or self._kinds)
                # What comes long after the last look is sent at once.
                if not self._stopping:
                    self._changed.wait_for(lambda: self._stopping, max(0.0, until - time.monotonic()))
                kinds, self._kinds = self._kinds, set()
                stopping = self._stopping
            if kinds and not (stopping and pause):
                pause = self._send(kinds, pause)
                until = time.monotonic() + pause
            if stopping:
                return

    def _send(self, kinds: set[str], pause: float) -> float:
        """Send; return how long to leave the broker alone afterwards."""
        started = time.monotonic()
        try:
            self._dispatcher.dispatch(kinds)
        except (BrokerUnavailableError, DatabaseUnavailableError) as error:
            if pause <= _SPACING:
                self._report(f"{error}; jobs wait in the ledger and are sent when it is back")
            with self._changed:
                self._kinds |= kinds
            longer = max(_FIRST_PAUSE, min(2 * pause, _LONGEST_PAUSE))
            return longer * random.uniform(0.8, 1.2)  # noqa: S311
        # Alone at once; in a flood, a quarter of the time at most.
        return min(_SPACING, 3 * (time.monotonic() - started))
