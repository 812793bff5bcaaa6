"""Syslog after RFC 5424: over UDP, TCP, TLS, or a Unix socket; one record for each line of a message."""

import contextlib
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final
from urllib.parse import SplitResult, urlsplit

from cobalt_tasks.alerts.config import Receiver
from cobalt_tasks.alerts.message import Message
from cobalt_tasks.alerts.receivers.base import IO_SECONDS, DeliveryError, Notifier, reason

_PORTS: Final = {"udp": 514, "tcp": 514, "tls": 6514}
_LEVELS: Final = {"info": 6, "notice": 5, "warning": 4, "critical": 2}
_FACILITY: Final = 13  # log alert: "security" records of programs
_LONGEST: Final = 2048
"""Bytes of a record that every receiver should accept."""

_ENTERPRISE: Final = "cobalt@32473"
"""32473 is the number for documentation and private use (RFC 5612)."""


def complaint(url: str) -> str | None:
    """Return why a URL cannot be used, None if it can."""
    try:
        parts = urlsplit(url)
        usable = parts.path.startswith("/") if parts.scheme == "unix" else parts.scheme in _PORTS and parts.hostname
        _ = parts.port
    except ValueError:
        usable = False
    return None if usable else "write udp://HOST:514, tcp://HOST:514, tls://HOST:6514 or unix:///dev/log"


def send(receiver: Receiver, message: Message) -> None:
    """Send the records of a `message` to a `receiver`.

    Raises:
        DeliveryError: the connection failed. UDP has no answer: what is lost on the way is not noticed.

    """
    parts = urlsplit(receiver.url)
    try:
        with contextlib.closing(_connect(parts)) as connection:
            is_stream = connection.type == socket.SOCK_STREAM
            for record in records(message):
                # RFC 6587 and 5425: the length stands before each record of a stream.
                connection.sendall(b"%d " % len(record) + record if is_stream else record)
            if isinstance(connection, ssl.SSLSocket):
                # Without it, a record that the receiver refused would pass for one it accepted.
                # One that only ends the connection has refused nothing: that would be an alert of TLS.
                with contextlib.suppress(ssl.SSLEOFError):
                    connection.unwrap().close()
    except OSError as error:
        raise DeliveryError(reason(error)) from None


def records(message: Message) -> Iterator[bytes]:
    """Yield one record for each line of a message."""
    at = datetime.fromtimestamp(message.created_at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    host = "".join(each for each in socket.gethostname() if "!" <= each <= "~")[:255] or "-"
    priority = _FACILITY * 8 + _LEVELS[message.severity]
    data = " ".join(
        f'{name}="{_escaped(value)}"'
        for name, value in (("rule", message.rule), ("key", message.key), ("count", str(message.count)))
    )
    head = f"<{priority}>1 {at} {host} cobalt - alert [{_ENTERPRISE} {data}] "
    for line in message.lines or [message.title]:
        # The byte order mark states that the text is UTF-8.
        record = head.encode() + b"\xef\xbb\xbf" + line.encode()
        yield record[:_LONGEST].decode("utf-8", "ignore").encode()


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")


def _connect(parts: SplitResult) -> socket.socket:
    if parts.scheme == "unix":
        return _unix(parts.path)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    if parts.scheme == "udp":
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        datagrams = socket.socket(family, socket.SOCK_DGRAM)
        datagrams.settimeout(IO_SECONDS)
        datagrams.connect(address)
        return datagrams
    stream = socket.create_connection((host, port), IO_SECONDS)
    if parts.scheme == "tcp":
        return stream
    try:
        return ssl.create_default_context().wrap_socket(stream, server_hostname=host)
    except BaseException:
        stream.close()
        raise


def _unix(path: str) -> socket.socket:
    failure: OSError | None = None
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        local = socket.socket(socket.AF_UNIX, kind)
        local.settimeout(IO_SECONDS)
        try:
            local.connect(path)
        except OSError as error:
            local.close()
            failure = error
        else:
            return local
    raise failure or OSError


NOTIFIER: Final = Notifier(complaint=complaint, send=send)
