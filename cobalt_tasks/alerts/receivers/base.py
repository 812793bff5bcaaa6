"""What every sort of receiver shares."""

import socket
import ssl
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from cobalt_tasks.alerts.config import Receiver
from cobalt_tasks.alerts.message import Message

SECONDS: Final = 12.0
"""The longest a delivery may take."""

IO_SECONDS: Final = 8.0
"""The longest a connection, or one answer, may take."""


class DeliveryError(Exception):
    """A message was not accepted; the text has no secret in it."""


class Notifier(Struct, frozen=True, kw_only=True):
    """What delivers messages to one sort of receiver.

    Attributes:
        complaint: returns why a URL in alerts.toml cannot be used, without the URL; None if it can.
        send: sends a message to a receiver, or raises DeliveryError. It has `SECONDS`.

    """

    complaint: Callable[[str], str | None]
    send: Callable[[Receiver, Message], None]


def reason(error: OSError) -> str:
    """Return why a connection failed, in words without its address."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            return "its name is not known in DNS"
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not accepted: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return "TLS failed"
        if isinstance(cause, TimeoutError):
            return f"no answer within {IO_SECONDS:.0f} s"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
        cause = cause.__cause__ or cause.__context__
    return "the connection failed"
