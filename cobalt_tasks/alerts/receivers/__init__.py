"""What delivers messages: one file for each sort of receiver, and the table of them.

A delivery has a time limit of its own, follows no redirect, and raises DeliveryError with a reason that has no secret in it.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Final

from cobalt_tasks.alerts.config import Receiver
from cobalt_tasks.alerts.message import Message
from cobalt_tasks.alerts.receivers import apprise_services, rfc5424, webhook
from cobalt_tasks.alerts.receivers.base import SECONDS, DeliveryError
from cobalt_tasks.core.errors import ConfigurationError

log = logging.getLogger(__name__)

_MOST_STUCK: Final = 16

_SENDERS: Final[Mapping[str, Callable[[Receiver, Message], None]]] = {
    "apprise": apprise_services.send,
    "webhook": webhook.send,
    "syslog": rfc5424.send,
}
_CHECKS: Final[Mapping[str, Callable[[str], str | None]]] = {
    "apprise": apprise_services.complaint,
    "webhook": webhook.complaint,
    "syslog": rfc5424.complaint,
}
_running: set[threading.Thread] = set()


def require_usable(receiver: Receiver, where: str) -> None:
    """Raise ConfigurationError if the URL of a `receiver` cannot be used; `where`: the place in the file, for the message."""
    if complaint := _CHECKS[receiver.sort](receiver.url):
        raise ConfigurationError(f"{where}: {receiver.sort}: {complaint}")


def deliver(receiver: Receiver, message: Message) -> None:
    """Send a message to a receiver, within `SECONDS`.

    Args:
        receiver: where to.
        message: what.

    Raises:
        DeliveryError: it was not accepted, or not in time.

    """
    _running.difference_update({each for each in _running if not each.is_alive()})
    if len(_running) >= _MOST_STUCK:
        raise DeliveryError(f"{_MOST_STUCK} deliveries before have not ended yet")
    failures: list[str] = []

    def work() -> None:
        try:
            _SENDERS[receiver.sort](receiver, message)
        except DeliveryError as error:
            failures.append(str(error))
        except Exception as error:  # noqa: BLE001  # its text may have the URL in it, and so a secret
            failures.append(f"{type(error).__name__} in the delivery")

    # A receiver that sends a byte now and then would keep every time-out of a socket from ending it.
    thread = threading.Thread(target=work, name=f"alert to {receiver.name}", daemon=True)
    _running.add(thread)
    thread.start()
    thread.join(SECONDS)
    if thread.is_alive():
        raise DeliveryError(f"no answer within {SECONDS:.0f} s")
    if failures:
        raise DeliveryError(failures[0])
