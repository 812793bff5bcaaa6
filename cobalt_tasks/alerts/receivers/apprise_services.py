"""More than a hundred services through the library apprise: mail, Slack, Teams, Discord, ntfy, Matrix, MQTT and others."""

import importlib
import logging
import re
import warnings
from functools import cache
from typing import Any, Final

from cobalt_tasks.alerts.config import Receiver
from cobalt_tasks.alerts.message import Message
from cobalt_tasks.alerts.receivers.base import IO_SECONDS, DeliveryError, Notifier

_TYPES: Final = {"info": "info", "notice": "info", "warning": "warning", "critical": "failure"}
_SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]*)://\S", re.IGNORECASE)
_STATUS: Final = re.compile(r"\berror=(\d{3})\b")


def complaint(url: str) -> str | None:
    """Return why a URL cannot be used, None if it can."""
    scheme = _SCHEME.match(url)
    if scheme is None or any(character.isspace() for character in url):
        return "write one URL of apprise, such as mailto://…, slack://… or mqtt://…"
    if _notifier(url) is None:
        return f"apprise knows no service for {scheme[1].lower()}://, or a part of the URL is missing or wrong"
    return None


def send(receiver: Receiver, message: Message) -> None:
    """Send a `message` through the service of a `receiver`.

    Raises:
        DeliveryError: the service did not accept it.

    """
    notifier = _notifier(receiver.url)
    if notifier is None:
        raise DeliveryError("apprise cannot use its URL")
    apprise = _library()
    # The library's messages may have tokens in them: only a status is taken from them.
    with apprise.LogCapture(level=logging.WARNING, fmt="%(message)s") as captured:
        accepted = notifier.notify(
            title=message.title, body="\n".join(message.lines), notify_type=apprise.NotifyType(_TYPES[message.severity])
        )
        status = _STATUS.search(captured.getvalue())
    if not accepted:
        raise DeliveryError(
            f"it answered {status[1]}" if status else "it did not accept the message, or did not answer"
        )


def _notifier(url: str) -> Any:
    apprise = _library()
    # Its own messages, on standard error too, name URLs.
    library = logging.getLogger("apprise")
    library.propagate = False
    if not library.handlers:
        library.addHandler(logging.NullHandler())
    separator = "&" if "?" in url else "?"
    timed = f"{url}{separator}cto={IO_SECONDS / 2:.0f}&rto={IO_SECONDS / 2:.0f}"
    asset = apprise.AppriseAsset(http_redirects=False, app_id="Cobalt", app_desc="Cobalt")
    notifier = apprise.Apprise(asset=asset)
    return notifier if notifier.add(timed) or notifier.add(url) else None


@cache
def _library() -> Any:
    """Import apprise with its services: it takes half a second, and only those who send need it."""
    with warnings.catch_warnings():
        # What some services import is deprecated.
        warnings.simplefilter("ignore", DeprecationWarning)
        library = importlib.import_module("apprise")
        library.Apprise().add("json://127.0.0.1")
    return library


NOTIFIER: Final = Notifier(complaint=complaint, send=send)
