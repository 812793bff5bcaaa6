"""What delivers messages: one file for each sort of receiver, and the table of them. Other packages add theirs as entry points
of the group `cobalt.notifiers`; the name is the key in alerts.toml.

A delivery has a time limit of its own, follows no redirect, and raises DeliveryError with a reason that has no secret in it.
"""

import logging
import threading
from collections.abc import Mapping
from functools import cache
from typing import Final

from cobalt_tasks.alerts.config import Receiver, ReceiverTable
from cobalt_tasks.alerts.message import Message
from cobalt_tasks.alerts.receivers import apprise_services, rfc5424, webhook
from cobalt_tasks.alerts.receivers.base import SECONDS, DeliveryError, Notifier
from cobalt_tasks.core import plugins
from cobalt_tasks.core.errors import ConfigurationError

log = logging.getLogger(__name__)

_MOST_STUCK: Final = 16

GROUP: Final = "cobalt.notifiers"
_BUILT_IN: Final[Mapping[str, Notifier]] = {
    "apprise": apprise_services.NOTIFIER,
    "webhook": webhook.NOTIFIER,
    "syslog": rfc5424.NOTIFIER,
}
_running: set[threading.Thread] = set()


@cache
def notifiers() -> Mapping[str, Notifier]:
    """Return what delivers messages, by the key in alerts.toml.

    Raises:
        ConfigurationError: a plug-in cannot be used.

    """
    added = plugins.load(GROUP, Notifier)
    for name in added:
        if name in {*ReceiverTable.__struct_fields__, *_BUILT_IN}:
            raise ConfigurationError(f"a plug-in of {GROUP} is called {name!r}, which is a key of alerts.toml already")
    return {**_BUILT_IN, **added}


def require_usable(receiver: Receiver, where: str) -> None:
    """Raise ConfigurationError if the URL of a `receiver` cannot be used; `where`: the place in the file, for the message."""
    if complaint := notifiers()[receiver.sort].complaint(receiver.url):
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
            notifiers()[receiver.sort].send(receiver, message)
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
