"""When each job's message was seen to wait in Redis. Such a job is within the reach of any worker: it waits for its turn, and
for nothing to recover.
"""

import base64
import binascii
import time
from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from cobalt_tasks.core.catalog import KINDS, LEVELS
from cobalt_tasks.jobs.broker import list_name

_EVERY_SECONDS: Final = 0.5


class _WaitingMessage(msgspec.Struct):
    body: str


class MessageWatch:
    """Looks into the lists of Redis now and then."""

    def __init__(self, socket: Path) -> None:
        """Watch the Redis that listens on a Unix `socket`."""
        # A wait for Redis would delay the faults and their ends: no second try.
        self._redis = redis.Redis(unix_socket_path=str(socket), socket_timeout=1, retry=Retry(NoBackoff(), 0))
        self._seen: defaultdict[int, array[float]] = defaultdict(lambda: array("d"))
        self._looked_at = 0.0

    @property
    def seen(self) -> Mapping[int, "array[float]"]:
        """Job → when its message was seen to wait, in epoch seconds, by time."""
        return self._seen

    def tick(self) -> None:
        """Read the lists, if it is time to; a Redis that does not answer shows nothing."""
        if time.monotonic() - self._looked_at < _EVERY_SECONDS:
            return
        self._looked_at = time.monotonic()
        try:
            pipeline = self._redis.pipeline(transaction=False)
            for kind in KINDS:
                for level in LEVELS:
                    pipeline.lrange(list_name(kind.name, level), 0, -1)
            # Before the answer: what was taken meanwhile was seen earlier, never later.
            now = time.time()
            found = pipeline.execute()
        except redis.RedisError:
            return
        for messages in found:
            for message in messages:
                for job in _jobs(message):
                    self._seen[job].append(now)


def _jobs(message: bytes) -> Iterator[int]:
    """Yield the ids of the jobs that a message names; one that is not ours names none."""
    try:
        body = base64.b64decode(msgspec.json.decode(message, type=_WaitingMessage).body)
        (ids, *_), *_ = msgspec.json.decode(body, type=tuple[tuple[list[int], ...], dict[str, object], object])
    except (msgspec.DecodeError, binascii.Error, ValueError):
        return
    yield from ids
