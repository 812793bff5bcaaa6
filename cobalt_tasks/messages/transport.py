"""kombu's transports for Redis, made to survive what others write into it: such an element is dropped with one line of
log, and the messages behind it are delivered.
"""

import logging
from typing import Any

import redis
from kombu.transport.redis import Channel, QoS, SentinelChannel, SentinelTransport, Transport
from kombu.utils.encoding import bytes_to_str

from cobalt_tasks.core.catalog import QUEUES
from cobalt_tasks.messages import elements

log = logging.getLogger(__name__)

_BINDING_PARTS = 3
"""Routing key, pattern and queue."""

_SHOWN = 200
"""Characters of a problem that a line of log shows."""


class CarefulQoS(QoS):
    """Unacknowledged messages; an entry that is none is removed instead of restored."""

    channel: Any

    def restore_by_tag(self, tag: Any, client: Any = None, leftmost: bool = False) -> None:  # noqa: FBT001, FBT002
        """Put an unacknowledged message back into its queue.

        Args:
            tag: its key in the hash.
            client: the connection to use, None for one of the pool.
            leftmost: put it where it is delivered last.

        """
        with self.channel.conn_or_acquire(client) as connection:
            element = connection.hget(self.unacked_key, tag)
            if element is not None and not elements.restorable(element):
                log.warning("dropped an unacknowledged message: %.*s is none", _SHOWN, repr(element))
                connection.pipeline().zrem(self.unacked_index_key, tag).hdel(self.unacked_key, tag).execute()
                return
        super().restore_by_tag(tag, client=client, leftmost=leftmost)


class CarefulChannel(Channel):
    """A channel to one Redis."""

    QoS = CarefulQoS
    _queue_cycle: Any

    def _update_queue_cycle(self) -> None:
        """Sort the queues by the catalog, not by `-Q`: their order decides between messages of one level."""
        self._queue_cycle.update(sorted(self.active_queues, key=_rank))

    def _connparams(self, *args: Any, **options: Any) -> Any:
        # A message acknowledged late, when its connection was closed: kombu would fail with an AttributeError, which ends
        # the worker; this one it logs.
        if self.connection.client is None:
            raise redis.ConnectionError("the connection of this channel is closed")
        return super()._connparams(*args, **options)  # type: ignore[misc]  # the stubs lack it

    def _create_client(self, *args: Any, **options: Any) -> Any:
        client = super()._create_client(*args, **options)  # type: ignore[misc]  # the stubs lack it
        client.set_response_callback("BRPOP", self._checked)
        return client

    def _checked(self, response: Any) -> tuple[bytes, bytes] | None:
        """Return the list's name and its element, None as if nothing had come if the element is no message."""
        if not response:
            return None
        key, element = response
        return (key, element) if _is_message(element, bytes_to_str(key).rsplit(self.sep, 1)[0]) else None

    def _handle_message(self, client: Any, r: Any) -> dict[str, Any]:
        """Return what came on a channel of Redis, without its data if that is no message."""
        payload: dict[str, Any] = super()._handle_message(client, r)  # type: ignore[misc]  # the stubs lack it
        data = payload["data"]
        # Otherwise it is about a subscription.
        if isinstance(data, bytes):
            # kombu names channels /NUMBER.EXCHANGE or /NUMBER.EXCHANGE/KEY, and decodes the name strictly.
            channel = payload["channel"].decode(errors="replace")
            payload["channel"] = channel.encode()
            if not _is_message(data, channel.partition(".")[2].split("/", 1)[0]):
                payload["data"] = None
        return payload

    def get_table(self, exchange: str) -> list[tuple[str, str, str]]:
        """Return the bindings of an exchange, without members of its set that are none."""
        with self.conn_or_acquire() as client:
            members = client.smembers(self.keyprefix_queue % exchange)
        bindings = [member.decode(errors="replace").split(self.sep) for member in members]
        return [(parts[0], parts[1], parts[2]) for parts in bindings if len(parts) == _BINDING_PARTS]


def _rank(queue: str) -> int:
    return QUEUES.index(queue) if queue in QUEUES else len(QUEUES)


def _is_message(element: bytes, queue: str) -> bool:
    """Return whether an element of a queue or an exchange is a message; log why it is none."""
    problem = elements.problem(element, queue)
    if problem is not None:
        log.warning("dropped an element of the queue %s that is no message: %.*s", queue, _SHOWN, repr(problem))
    return problem is None


class CarefulTransport(Transport):
    """A connection to one Redis."""

    Channel = CarefulChannel

    def _deliver(self, message: Any, queue: str | None) -> None:
        """Deliver a message; one that cannot be delivered is dropped, since it would fail again."""
        try:
            super()._deliver(message, queue)
        except (redis.RedisError, OSError):
            raise
        except Exception as error:  # noqa: BLE001  # whatever it is, it is the message's fault
            problem = repr(f"{type(error).__name__}: {error}")
            log.warning("dropped a message of the queue %s: %.*s", queue, _SHOWN, problem)
            self._forget(message)

    def _forget(self, message: Any) -> None:
        tag = message["properties"]["delivery_tag"]
        for channel in self.channels or ():
            if tag in (channel.qos._delivered or ()):  # noqa: SLF001  # there is no public way to ask
                channel.basic_reject(tag, requeue=False)


class CarefulSentinelChannel(CarefulChannel, SentinelChannel):
    """A channel to the Redis that Sentinels name."""


class CarefulSentinelTransport(CarefulTransport, SentinelTransport):
    """A connection to the Redis that Sentinels name."""

    Channel = CarefulSentinelChannel


TRANSPORTS = {
    "redis": f"{__name__}:{CarefulTransport.__name__}",
    "rediss": f"{__name__}:{CarefulTransport.__name__}",
    "sentinel": f"{__name__}:{CarefulSentinelTransport.__name__}",
}
"""By the URL's scheme, as kombu names classes."""
