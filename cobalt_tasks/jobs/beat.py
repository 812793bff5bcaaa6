"""Celery's beat by a clock that is never stepped, and without a file that could be damaged.

Celery's own scheduler sorts what is due by the time of day: stepped back an hour, it sends nothing for that hour.
"""

import logging
import time
from typing import Any, Final

from celery.beat import ScheduleEntry, Scheduler

from cobalt_tasks.core import settings as environment
from cobalt_tasks.core.errors import BrokerUnavailableError
from cobalt_tasks.core.log_limit import OncePerMinute
from cobalt_tasks.jobs.broker import Broker

log = logging.getLogger(__name__)

_WAITING: Final = 1
"""Messages that may wait in the queue of a periodic task: more of them would do nothing that one does not."""


class MonotonicScheduler(Scheduler):
    """Sends each entry of `beat_schedule` every so many seconds, unless one waits already.

    Nothing on the wire has an expiry: that would be a time of day, and workers whose clock is a few seconds ahead would
    throw every message away.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Pass all arguments to Celery's scheduler; every entry is due at once."""
        self._due_at: dict[str, float] = {}
        self._troubles = OncePerMinute()
        self._broker = Broker(environment.load())
        super().__init__(*args, **kwargs)

    def tick(self, *_: Any, **__: Any) -> float:
        """Send what is due; return the seconds until something is due again."""
        for name, entry in self.schedule.items():
            if time.monotonic() >= self._due_at.get(name, 0.0):
                self._due_at[name] = time.monotonic() + self.app.conf.beat_schedule[name]["schedule"]
                self._send(entry)
        return max(0.0, min(self._due_at.values()) - time.monotonic())

    def _send(self, entry: ScheduleEntry) -> None:
        try:
            depths = self._broker.depth_by_level((entry.options or {})["queue"])
        except BrokerUnavailableError as error:
            level = logging.WARNING if self._troubles.is_due(str(error)) else logging.DEBUG
            log.log(level, "%s is not sent: %s", entry.name, error)
            return
        self._troubles.reset()
        if sum(depths.values(), 0) < _WAITING:
            self.apply_entry(entry, producer=self.producer)
