"""Celery's consumer, with what it lacks when Redis refuses writes or holds messages that are none of ours."""

import logging
import random
import time
from typing import Any

from celery.worker import state
from celery.worker.consumer import Consumer
from kombu import Connection

from cobalt_tasks.core.log_limit import OncePerMinute
from cobalt_tasks.jobs import broker

log = logging.getLogger(__name__)

_PAUSE_SECONDS = 1.5
_LOOK_SECONDS = 0.1


class SteadyConsumer(Consumer):
    """Closes connections that could not be used, and drops a message it cannot use with one line of log.

    Why Redis cannot be used is one line of log a minute.
    """

    app: Any
    hub: Any
    first_connection_attempt: bool
    amqheartbeat: float | None
    connection_errors: tuple[type[Exception], ...]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Build it without what workers send each other (clocks, revoked tasks): Cobalt uses nothing of it, and any client
        of Redis could send it.
        """
        self._troubles = OncePerMinute()
        super().__init__(*arguments, **{**options, "without_gossip": True, "without_mingle": True})

    def ensure_connected(self, conn: Connection) -> Connection:
        """Connect; try again until it works or the worker is asked to stop."""
        limit = self.app.conf.broker_connection_max_retries
        connected: Connection = conn.ensure_connection(self._report, limit, callback=state.maybe_shutdown)
        self.first_connection_attempt = False
        return connected

    def on_connection_error_before_connected(self, exc: Exception) -> None:
        """Log why a connection that was made could not be used."""
        self._report(exc, _PAUSE_SECONDS)

    def connect(self) -> Connection:
        """Connect and register with the event loop.

        Redis accepts connections while it refuses writes (a read-only replica, too few replicas, no permission). Celery
        then forgets the connection without closing it, and tries again at once.

        Raises:
            Exception: Redis refused; Celery calls this again.

        """
        connection = self.connection_for_read(heartbeat=self.amqheartbeat)
        try:
            if self.hub:
                connection.transport.register_with_event_loop(connection.connection, self.hub)
        except Exception:
            connection.close()
            _pause()
            raise
        self._troubles.reset()
        return connection

    def on_unknown_message(self, body: Any, message: Any) -> None:  # noqa: ARG002  # Celery's signature
        """Drop a message that names no task.

        body: its content, not used; message: kombu's message, which is rejected.
        """
        self._drop(message, "it names no task")

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:  # noqa: ARG002
        """Drop a message whose task does not exist here.

        body: its content, not used; message: kombu's message, which is rejected; exc: holds the name of the task.
        """
        self._drop(message, f"there is no task {exc}")

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:  # noqa: ARG002
        """Drop a message whose headers cannot be used.

        body: its content, not used; message: kombu's message, which is rejected; exc: what is wrong with the headers.
        """
        self._drop(message, str(exc))

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Drop a message whose body cannot be read.

        message: kombu's message, which is rejected; exc: why its body cannot be decoded.
        """
        self._drop(message, str(exc))

    def _report(self, error: Exception, seconds: float) -> None:
        """Log why Redis cannot be used, and in how many seconds it is tried again."""
        reason = broker.describe(error)
        level = logging.ERROR if self._troubles.is_due(reason) else logging.DEBUG
        log.log(level, "%s; trying again in %.1f s", reason, seconds)

    def _drop(self, message: Any, why: str) -> None:
        queue = message.delivery_info.get("routing_key")
        log.warning("dropped a message of the queue %r: %.200s", queue, repr(why))
        message.reject_log_error(log, self.connection_errors)


def _pause() -> None:
    """Wait before the next try, unless the worker is asked to stop meanwhile."""
    until = time.monotonic() + _PAUSE_SECONDS * random.uniform(0.7, 1.3)  # noqa: S311
    while time.monotonic() < until:
        state.maybe_shutdown()
        time.sleep(_LOOK_SECONDS)
