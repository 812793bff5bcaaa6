"""Commit, then send: rows that are jobs become messages that suggest them.

A message carries the ids of one kind's jobs at one level, several in a flood and one when there is one. The number of
messages waiting is bounded for each queue and level; the rest stays pending in the ledger and follows as workers finish.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import redis
from kombu.exceptions import KombuError

from cobalt_tasks.core.catalog import BY_NAME, GEOLOCATION, PROVIDER_CALL_TASK
from cobalt_tasks.core.errors import BrokerUnavailableError
from cobalt_tasks.core.kinds import Kind, Urgency
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts import stats
from cobalt_tasks.jobs import backlog
from cobalt_tasks.jobs import store as jobs
from cobalt_tasks.jobs.broker import Broker, describe
from cobalt_tasks.jobs.store import Sent
from cobalt_tasks.messages.hints import SENT_AT

if TYPE_CHECKING:
    from celery import Celery
    from kombu import Producer

MESSAGES = 64
"""Messages that may wait in one queue at one level; enough for workers never to starve, few enough to notice lost ones."""

_POOL_SECONDS = 5.0

_TROUBLE = (KombuError, redis.RedisError, OSError)

BATCH_SECONDS = 1.0
"""How long a batch of a flood is to take. An urgent job waits for what is under way, and that varies: about two seconds."""

_MARKED_AT_ONCE = 1000
"""Jobs marked as sent in one transaction: SQLite has one writer, and other processes must not wait long for it."""

SUSPECTS = 32
"""Suspect jobs in one message: about the root of what a worker process runs at a time, so that finding the one that is the
reason takes as many messages as isolating its neighbours afterwards.
"""

WAKE_UPS = 16
"""Wake-up messages that may wait besides: a full queue must not keep a provider's quota from being used."""


class Dispatcher:
    """Sends what the ledger holds. Safe to use from any number of processes at once."""

    def __init__(self, database: Database, settings: Settings) -> None:
        """Connect to the broker when it is first used.

        database: the ledger; settings: name the broker.
        """
        self.broker = Broker(settings)
        self._broker_url = settings.broker_url
        self._database = database

    def dispatch(self, kinds: Iterable[str]) -> int:
        """Send due jobs of these kinds as far as there is room; return how many.

        Raises:
            BrokerUnavailableError: Redis does not answer; the jobs wait in the ledger.

        """
        return sum(self._dispatch(BY_NAME[name]) for name in sorted(set(kinds)))

    def wake(self, calls: int) -> None:
        """Send wake-up messages for provider calls: each makes one worker reserve a call and claim the jobs for it.

        Raises:
            BrokerUnavailableError: Redis does not answer.

        """
        kind = BY_NAME[GEOLOCATION]
        level = kind.level(Urgency.ORDINARY)
        room = MESSAGES + WAKE_UPS - self.broker.depth_by_level(kind.name)[level]
        if room > 0 and calls > 0:
            # It names no job, and must not look older than the messages that are lost behind it.
            with self._database.reading() as connection:
                sent_at = stats.now(connection)
            self._send(kind, level, [()] * min(calls, room, WAKE_UPS), sent_at)

    def record_throughput(self, kind: str, jobs_done: int, seconds: float) -> None:
        """Store how long a batch took, for the size of the next ones; one below the kind's batch size is ignored.

        kind: a name of the catalog; jobs_done: jobs in the batch, 0 or more; seconds: for the whole batch.

        Raises:
            BrokerUnavailableError: Redis does not answer.

        """
        if jobs_done >= BY_NAME[kind].batch:
            self.broker.store_seconds_per_job(kind, seconds / jobs_done)

    def _dispatch(self, kind: Kind) -> int:
        sent = 0
        size = batch_size(kind, self.broker.seconds_per_job(kind.name))
        depths = self.broker.depth_by_level(kind.name)
        with_room = [level for level, depth in depths.items() if level in kind.levels and depth < MESSAGES]
        for level in self._due(kind, with_room):
            room = (MESSAGES - depths[level]) * size
            while room > 0:
                wanted = min(room, max(size, _MARKED_AT_ONCE // size * size))
                marked = self._database.write(jobs.mark_sent, kind.name, level, wanted)
                if marked:
                    self._send(kind, level, _batches(marked, size))
                sent += len(marked)
                room = room - wanted if len(marked) == wanted else 0
        return sent

    def _due(self, kind: Kind, levels: Sequence[int]) -> list[int]:
        if not levels:
            return []
        with self._database.reading() as connection:
            return backlog.due_levels(connection, kind.name, levels)

    def _send(self, kind: Kind, level: int, batches: Sequence[Sequence[Sent]], sent_at: float = 0.0) -> None:
        # Celery is slow to import, and views never send.
        from kombu.pools import producers  # noqa: PLC0415

        from cobalt_tasks.celery import app  # noqa: PLC0415

        connection = app.connection_for_write(self._broker_url)
        sent = False
        try:
            with producers[connection].acquire(block=True, timeout=_POOL_SECONDS) as producer, producer.batch():
                for batch in batches:
                    _publish(app, producer, kind, level, batch, sent_at)
            sent = True
        except redis.AuthenticationError as error:
            raise BrokerUnavailableError(describe(error)) from error
        except _TROUBLE as error:
            raise BrokerUnavailableError(f"Redis does not take messages: {error}") from error
        finally:
            if not sent:
                self._database.write(jobs.unmark_sent, [job.id for batch in batches for job in batch])


def batch_size(kind: Kind, seconds_per_job: float | None) -> int:
    """Return how many jobs of a flood travel together: as many as are done in `BATCH_SECONDS`, as far as the catalog allows.

    kind: of the jobs; seconds_per_job: what they took recently, None when that is unknown.
    """
    if not seconds_per_job:
        return kind.batch
    return max(kind.batch, min(kind.most, int(BATCH_SECONDS / seconds_per_job)))


def _batches(marked: Sequence[Sent], size: int) -> list[Sequence[Sent]]:
    isolated: list[Sequence[Sent]] = [[job] for job in marked if job.isolated]
    suspects = [job for job in marked if job.suspect and not job.isolated]
    together = [job for job in marked if not (job.suspect or job.isolated)]
    return [*isolated, *_parts(suspects, min(size, SUSPECTS)), *_parts(together, size)]


def _parts(marked: Sequence[Sent], size: int) -> list[Sequence[Sent]]:
    return [marked[start : start + size] for start in range(0, len(marked), size)]


def _publish(  # noqa: PLR0913, PLR0917  # a message has as many parts
    app: "Celery",
    producer: "Producer",
    kind: Kind,
    level: int,
    batch: Sequence[Sent],
    sent_at: float,
) -> None:
    # A message that names no job is a wake-up message.
    app.send_task(
        kind.task if batch else PROVIDER_CALL_TASK,
        args=([job.id for job in batch],) if batch else (),
        producer=producer,
        queue=kind.name,
        priority=level,
        retry=False,
        ignore_result=True,
        # Celery would otherwise write the arguments a second time, for people to read.
        argsrepr=f"({len(batch)} jobs)" if batch else "()",
        kwargsrepr="{}",
        headers={SENT_AT: min((job.sent_at for job in batch), default=sent_at)},
    )
