"""What Redis holds: the messages waiting in each queue, and the workers that take them."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
import redis
from redis.sentinel import MasterNotFoundError, Sentinel

from cobalt_tasks.core.catalog import KINDS, LEVELS, QUEUES, REPORT_COMMAND
from cobalt_tasks.core.errors import BrokerUnavailableError, ConfigurationError
from cobalt_tasks.core.service_urls import BROKER_FORMS
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.messages import hints

_SECONDS_PER_JOB = "cobalt_seconds_per_job"
"""A hash of kinds: how long one of their jobs took lately. A hint: without it batches have the catalog's size."""

_SHORTEST_JOB, _LONGEST_JOB = 1e-6, 3600.0
"""Seconds between which a job's time is believed."""

_SECONDS = 3
_SENTINEL = "sentinel://"
_SENTINEL_PORT = 26379
_PRIORITY_SEPARATOR = "\x06\x16"
"""kombu's mark between a queue's name and a level other than 0 in the name of a Redis list."""


class Worker(msgspec.Struct, frozen=True):
    """A worker that answered, and the queues it takes from."""

    name: str
    queues: list[str]
    report: hints.WorkerReport


_LISTENING = "_kombu.binding.celery.pidbox"
"""Where kombu keeps which queues a question to all workers goes to: one for each worker."""

_FORGOTTEN_SECONDS = 0.2
"""How long to wait for workers where Redis knows of none that listens: time enough for those that it has forgotten."""


class Broker:
    """A look at Redis beside Celery. Every call has a deadline and raises BrokerUnavailableError past it."""

    def __init__(self, settings: Settings) -> None:
        """Connect lazily.

        Raises:
            ConfigurationError: the URL cannot be used.

        """
        try:
            self._redis = _client(settings.broker_url, settings.broker_master)
        except (ValueError, TypeError, redis.RedisError):
            # Without the URL and the cause, which may hold a password.
            raise ConfigurationError(f"COBALT_BROKER_URL: use {BROKER_FORMS}") from None

    def ping(self) -> None:
        """Return when Redis answers."""
        with _named_errors():
            self._redis.ping()

    def depths(self) -> dict[str, int]:
        """Return the number of messages waiting in each kind's queue."""
        return {kind.name: sum(levels.values()) for kind, levels in zip(KINDS, self._lengths(), strict=True)}

    def depth_by_level(self, kind: str) -> dict[int, int]:
        """Return the number of messages waiting at each level of one kind's queue."""
        return dict(zip(LEVELS, self._ask("llen", [list_name(kind, level) for level in LEVELS]), strict=True))

    def lengths(self, lists: Iterable[tuple[str, int]]) -> list[int]:
        """Return the number of messages waiting in each of some queues at some level."""
        return self._ask("llen", [list_name(queue, level) for queue, level in lists])

    def oldest(self, kind: str) -> dict[int, float | None]:
        """Return when the oldest waiting message of each level was sent, None where none waits."""
        messages = self._ask("lindex", [list_name(kind, level) for level in LEVELS], -1)
        return {level: hints.sent_at(message) for level, message in zip(LEVELS, messages, strict=True)}

    def seconds_per_job(self, kind: str) -> float | None:
        """Return how many seconds a job of this kind took lately, None when that is not known."""
        with _named_errors():
            try:
                value = self._redis.hget(_SECONDS_PER_JOB, kind)
            except redis.ResponseError as error:
                _require_harmless(error)
                value = None
        return hints.number(value, _SHORTEST_JOB, _LONGEST_JOB)

    def store_seconds_per_job(self, kind: str, seconds: float) -> None:
        """Store how many seconds a job of this kind took, unless Redis holds another type there.

        kind: a name of the catalog; seconds: for one job, more than 0.
        """
        with _named_errors():
            try:
                self._redis.hset(_SECONDS_PER_JOB, kind, f"{max(seconds, _SHORTEST_JOB):.3g}")
            except redis.ResponseError as error:
                _require_harmless(error)

    def remove_foreign_keys(self) -> list[str]:
        """Delete the keys of ours that hold another type than the one we and Celery use, and return their names.

        With one of them, no worker could take a message any more. Nothing is lost: the ledger sends again.
        """
        with _named_errors():
            pipeline = self._redis.pipeline(transaction=False)
            for key in _TYPES:
                pipeline.type(key)
            found = [
                key
                for (key, expected), actual in zip(_TYPES.items(), pipeline.execute(), strict=True)
                if actual not in {b"none", expected}
            ]
            if found:
                self._redis.delete(*found)
        return found

    def workers(self, seconds: float = 1.0, *, wait_for_all: bool = True) -> list[Worker]:
        """Ask all workers who they are; those that do not answer within `seconds` are not there.

        wait_for_all: False returns as soon as as many have answered as Redis knows to listen, and waits for a moment only where
        it knows of none. That is what a command wants; Redis forgets who listens when its data is deleted under the workers.
        """
        from cobalt_tasks.celery import app  # noqa: PLC0415  # Celery is slow to import

        self.ping()
        with _named_errors():
            listening = None if wait_for_all else self._listening()
            if listening == 0:
                seconds = min(seconds, _FORGOTTEN_SECONDS)
            answers = app.control.broadcast(REPORT_COMMAND, reply=True, timeout=seconds, limit=listening or None)
        return [Worker(name, report.queues, report) for name, report in hints.worker_reports(answers).items()]

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def _listening(self) -> int | None:
        """Return how many workers have bound a queue for questions, None when that is not known."""
        try:
            return int(self._redis.scard(_LISTENING))
        except redis.ResponseError:
            # This user may not read it, or it is something else.
            return None

    def _lengths(self) -> list[dict[int, int]]:
        lengths = iter(self._ask("llen", [list_name(kind.name, level) for kind in KINDS for level in LEVELS]))
        return [{level: next(lengths) for level in LEVELS} for _ in KINDS]

    def _ask(self, command: str, keys: list[str], *arguments: object) -> list[Any]:
        with _named_errors():
            pipeline = self._redis.pipeline(transaction=False)
            for key in keys:
                getattr(pipeline, command)(key, *arguments)
            return list(pipeline.execute())


def _client(url: str, master: str) -> redis.Redis:
    """Return a client for a URL as Celery takes it: `redis+socket://` is a Unix socket, and several URLs of Sentinels are
    parted by semicolons; the first has the password and the number of the database they lead to.
    """
    deadlines = {"socket_timeout": _SECONDS, "socket_connect_timeout": _SECONDS}
    if not url.startswith(_SENTINEL):
        client = redis.Redis.from_url(url.replace("redis+socket://", "unix://", 1), **deadlines)
        # Made here and not used: an option of the URL that does not exist would fail at the first command.
        client.connection_pool.connection_class(**client.connection_pool.connection_kwargs)
        return client
    each = [urlsplit(part) for part in url.split(";")]
    sentinels = [(part.hostname or "127.0.0.1", part.port or _SENTINEL_PORT) for part in each]
    identity = {name: unquote(value) for name in ("username", "password") if (value := getattr(each[0], name))}
    number = int(each[0].path.strip("/") or 0)
    group = Sentinel(sentinels, db=number, **identity, **deadlines)  # type: ignore[no-untyped-call]
    found: redis.Redis = group.master_for(master)  # type: ignore[no-untyped-call]
    return found


@contextmanager
def _named_errors() -> Iterator[None]:
    try:
        yield
    except (redis.RedisError, OSError) as error:
        raise BrokerUnavailableError(describe(error)) from error


def describe(error: Exception) -> str:
    """Return one line for an operator: why Redis cannot be used. Neither the URL nor a password is in it."""
    if isinstance(error, redis.AuthenticationError):
        return "Redis refuses the password in COBALT_BROKER_URL"
    first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
    if isinstance(error, MasterNotFoundError):
        # What follows has every detail of each connection.
        first_line = first_line.partition(" : ")[0] + "; see COBALT_BROKER_MASTER"
    return f"Redis does not answer: {first_line}"


def list_name(queue: str, level: int) -> str:
    """Return the name of the list in Redis that holds the messages of one `level` of a `queue`."""
    return f"{queue}{_PRIORITY_SEPARATOR}{level}" if level else queue


_TYPES = {
    **{list_name(queue, level): b"list" for queue in QUEUES for level in LEVELS},
    **{f"{prefix}{queue}": b"set" for queue in QUEUES for prefix in ("_kombu.binding.", "_kombu.binding_permanent.")},
    "_kombu.binding_deadlines": b"zset",
    "unacked": b"hash",
    "unacked_index": b"zset",
    "unacked_mutex": b"string",
    _SECONDS_PER_JOB: b"hash",
}
"""The type of each key that Cobalt, and Celery for it, keep in Redis."""


def _require_harmless(error: redis.ResponseError) -> None:
    """Raise the error again unless it only means that a hint cannot be read or stored.

    A value of another type, and a user of Redis that may not touch it, are such; a Redis that is loading, full or
    read-only is not.
    """
    if not isinstance(error, redis.exceptions.NoPermissionError) and not str(error).startswith("WRONGTYPE"):
        raise error
