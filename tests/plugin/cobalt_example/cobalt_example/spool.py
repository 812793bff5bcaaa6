"""The receiver of alerts `spool`: a file to which each message is appended, one line for each of its lines."""

from pathlib import Path

from cobalt_tasks.alerts.config import Receiver
from cobalt_tasks.alerts.message import Message
from cobalt_tasks.alerts.receivers.base import DeliveryError, Notifier


def complaint(url: str) -> str | None:
    """Return why a `url` cannot be used, None if it can."""
    return None if url.startswith("/") else "write the path of a file"


def send(receiver: Receiver, message: Message) -> None:
    """Append a `message` to the file of a `receiver`.

    Raises:
        DeliveryError: it cannot be written.

    """
    try:
        with Path(receiver.url).open("a", encoding="utf-8") as file:
            file.writelines(f"{message.severity} {message.title}: {line}\n" for line in message.lines)
    except OSError as error:
        raise DeliveryError(error.strerror or "it cannot be written") from None


NOTIFIER = Notifier(complaint=complaint, send=send)
