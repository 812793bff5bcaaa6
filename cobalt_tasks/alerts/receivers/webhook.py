"""Plain webhooks: one JSON object by POST, with a key against repetitions, signed where there is a secret."""

import hashlib
import hmac
import http.client
import ssl
import time
from typing import Final
from urllib.parse import urlsplit

import msgspec

from cobalt_tasks.alerts.config import Receiver
from cobalt_tasks.alerts.message import Message
from cobalt_tasks.alerts.receivers.base import IO_SECONDS, DeliveryError, Notifier, reason

_ACCEPTED: Final = range(200, 300)
_REDIRECTED: Final = range(300, 400)


def complaint(url: str) -> str | None:
    """Return why a URL cannot be used, None if it can."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not url.isascii() or any(character.isspace() for character in url):
        return "write a URL such as https://soar.example/hook"
    if parts.username or parts.password:
        return "write no user name and password into the URL: use `secret`, or a token in its path"
    return None


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return the HMAC-SHA256 of the time, a full stop and the body, in hexadecimal.

    secret: the shared secret; timestamp: epoch seconds as sent in Cobalt-Timestamp; body: the bytes that are sent.
    """
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def send(receiver: Receiver, message: Message) -> None:
    """POST a `message` to a `receiver`; any answer but 2xx is a failure, and redirects are not followed.

    Raises:
        DeliveryError: it was not accepted.

    """
    parts = urlsplit(receiver.url)
    body = msgspec.json.encode(
        {
            "key": message.key,
            "rule": message.rule,
            "severity": message.severity,
            "created_at": message.created_at,
            "title": message.title,
            "count": message.count,
            "items": message.items,
        }
    )
    timestamp = str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "cobalt",
        "Idempotency-Key": message.key,
        "Cobalt-Timestamp": timestamp,
    }
    if receiver.secret:
        headers["Cobalt-Signature"] = f"sha256={signature(receiver.secret, timestamp, body)}"
    status = _post(
        parts.scheme, parts.hostname or "", parts.port, f"{parts.path or '/'}{_query(parts.query)}", body, headers
    )
    if status in _REDIRECTED:
        raise DeliveryError(f"it answered {status}: redirects are not followed, write the URL it leads to")
    if status not in _ACCEPTED:
        raise DeliveryError(f"it answered {status}")


def _query(query: str) -> str:
    return f"?{query}" if query else ""


def _post(scheme: str, host: str, port: int | None, target: str, body: bytes, headers: dict[str, str]) -> int:  # noqa: PLR0913, PLR0917
    connection = (
        http.client.HTTPSConnection(host, port, timeout=IO_SECONDS, context=ssl.create_default_context())
        if scheme == "https"
        else http.client.HTTPConnection(host, port, timeout=IO_SECONDS)
    )
    try:
        connection.request("POST", target, body, headers)
        return connection.getresponse().status
    except OSError as error:
        raise DeliveryError(reason(error)) from None
    except http.client.HTTPException:
        raise DeliveryError("it ended the connection, or its answer is no HTTP") from None
    finally:
        connection.close()


NOTIFIER: Final = Notifier(complaint=complaint, send=send)
