"""Deliveries to real receivers: syslog over each transport, services of apprise, and what goes wrong."""

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cobalt_tasks.alerts import receivers
from cobalt_tasks.alerts.config import Receiver
from cobalt_tasks.alerts.message import Message
from cobalt_tasks.alerts.receivers.base import DeliveryError
from cobalt_tasks.lab.certificate import context
from tests.conftest import free_port
from tests.support.mqtt import broker
from tests.support.waiting import PATIENCE
from tests.support.webhooks import webhook


def message(*texts: str, count: int = 0) -> Message:
    """A message about some things."""
    return Message(
        key="k1", rule='a "rule"]', severity="warning", created_at=1764210000.0, count=count or len(texts),
        items=[{"text": text} for text in texts],
    )  # fmt: skip


@contextlib.contextmanager
def listening(family: int, kind: int, address: object) -> Iterator[tuple[socket.socket, list[bytes]]]:
    """Collect what arrives at a socket; a stream until its end."""
    arrived: list[bytes] = []
    with socket.socket(family, kind) as listener:
        listener.bind(address)  # type: ignore[arg-type]
        listener.settimeout(PATIENCE)
        if kind == socket.SOCK_STREAM:
            listener.listen()

        def collect() -> None:
            with contextlib.suppress(OSError):
                if kind == socket.SOCK_DGRAM:
                    while True:
                        arrived.append(listener.recv(65536))
                connection, _ = listener.accept()
                with connection:
                    while data := connection.recv(65536):
                        arrived.append(data)

        thread = threading.Thread(target=collect, daemon=True)
        thread.start()
        yield listener, arrived
        if kind == socket.SOCK_STREAM:
            thread.join(PATIENCE)


def test_syslog_over_tcp_counts_octets() -> None:
    """One record for each line, its length before it; quotes and brackets in data are escaped, control characters too."""
    with listening(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)) as (listener, arrived):
        url = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        receivers.deliver(Receiver(name="a", sort="syslog", url=url), message("one\r\n<0>forged", "zwölf", count=9))
    text = b"".join(arrived)
    records = []
    while text:
        length, _, rest = text.partition(b" ")
        records.append(rest[: int(length)].decode())
        text = rest[int(length) :]
    assert len(records) == 3
    head, data, line = records[0].partition("[cobalt@32473 ")[0], records[0], records[0].rpartition("\ufeff")[2]
    assert head.startswith("<108>1 2025-11-27T02:20:00.000Z ")
    assert head.endswith(" cobalt - alert ")
    assert 'rule="a \\"rule\\"\\]" key="k1" count="9"] ' in data
    assert "\n" not in line
    assert line.startswith("one")
    assert records[1].endswith("zwölf")
    assert records[2].endswith("and 7 more: cobalt changes lists them")


@pytest.mark.parametrize("transport", ["udp", "unix"])
def test_syslog_in_datagrams(transport: str, tmp_path: Path) -> None:
    """Over UDP and a Unix socket, each record is a datagram of at most 2,048 bytes."""
    family = socket.AF_INET if transport == "udp" else socket.AF_UNIX
    address: object = ("127.0.0.1", 0) if transport == "udp" else str(tmp_path / "log")
    with listening(family, socket.SOCK_DGRAM, address) as (listener, arrived):
        url = f"udp://127.0.0.1:{listener.getsockname()[1]}" if transport == "udp" else f"unix://{address}"
        receivers.deliver(Receiver(name="a", sort="syslog", url=url), message("ü" * 5000, "two"))
        deadline = time.monotonic() + PATIENCE
        while len(arrived) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
    assert len(arrived) == 2
    assert all(len(each) <= 2048 for each in arrived)
    assert arrived[1].decode().endswith("two")


def test_a_service_of_apprise() -> None:
    """Title and lines arrive through the library; a refusal names the status, and no log has the token."""
    logged: list[str] = []
    # Not caplog: pytest adds its handlers to loggers that do not propagate.
    collector = logging.Handler()
    collector.emit = lambda record: logged.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger().addHandler(collector)
    logging.getLogger("apprise").setLevel(logging.DEBUG)
    with webhook() as server:
        receiver = Receiver(name="team", sort="apprise", url=server.url.replace("http://", "json://"))
        receivers.deliver(receiver, message("one", "two"))
        body = server.requests[0][1].decode()
        assert "one\\ntwo" in body
        assert "Cobalt: a" in body
        server.behaviour = lambda: 403
        with pytest.raises(DeliveryError, match="it answered 403"):
            receivers.deliver(receiver, message("one"))
        server.behaviour = lambda: 302
        before = len(server.requests)
        with pytest.raises(DeliveryError):
            receivers.deliver(receiver, message("one"))
        assert len(server.requests) == before + 1
    logging.getLogger().removeHandler(collector)
    assert not [line for line in logged if "t0k3n" in line]


def test_mqtt_through_apprise() -> None:
    """A broker gets the title and the lines on the topic of the URL."""
    with broker() as (port, arrived):
        receiver = Receiver(name="a", sort="apprise", url=f"mqtt://127.0.0.1:{port}/cobalt/alerts")
        receivers.deliver(receiver, message("one", "zwölf"))
    ((topic, text),) = arrived
    assert topic == "cobalt/alerts"
    assert text.endswith("one\nzwölf")
    assert 'Cobalt: a "rule"]' in text


def test_syslog_over_tls_needs_a_certificate_that_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The records arrive at a server whose certificate is trusted; another gets none of them, and the reason has words."""
    server = context(tmp_path, "127.0.0.1")
    arrived: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        for _ in range(2):
            connection, _ = listener.accept()
            with contextlib.suppress(OSError), connection, server.wrap_socket(connection, server_side=True) as secure:
                while data := secure.recv(65536):
                    arrived.append(data)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        receiver = Receiver(name="a", sort="syslog", url=f"tls://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(DeliveryError, match="its certificate is not accepted: self-signed certificate"):
            receivers.deliver(receiver, message("secret"))
        assert arrived == []
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "lab.pem"))
        receivers.deliver(receiver, message("one", "two"))
        thread.join(PATIENCE)
    text = b"".join(arrived).decode()
    assert text.count("<108>1 ") == 2
    assert text.endswith("two")


@pytest.mark.parametrize(
    ("sort", "url", "reason"),
    [
        ("webhook", "http://127.0.0.1:{}/t0k3n", "connection refused"),
        ("webhook", "http://no-such-name.invalid/t0k3n", "its name is not known in DNS"),
        ("syslog", "tcp://127.0.0.1:{}", "connection refused"),
        ("syslog", "unix:///no/such/socket", "no such file"),
        ("apprise", "json://127.0.0.1:{}/t0k3n", "did not accept the message, or did not answer"),
    ],
)
def test_why_nothing_was_delivered(sort: str, url: str, reason: str) -> None:
    """A receiver that is not there is a reason in words, without its URL."""
    with pytest.raises(DeliveryError, match=reason) as raised:
        receivers.deliver(Receiver(name="a", sort=sort, url=url.format(free_port())), message("one"))
    assert "t0k3n" not in str(raised.value)


def test_a_receiver_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that comes a byte at a time ends with the time limit of the whole delivery; many such end all others."""
    monkeypatch.setattr(receivers, "SECONDS", 0.3)
    monkeypatch.setattr(receivers, "_MOST_STUCK", 1)
    monkeypatch.setattr(receivers, "_running", set())
    released = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                while not released.wait(0.05):
                    connection.sendall(b"H")

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        receiver = Receiver(name="a", sort="webhook", url=f"http://127.0.0.1:{listener.getsockname()[1]}/")
        with pytest.raises(DeliveryError, match="no answer within 0 s"):
            receivers.deliver(receiver, message("one"))
        with pytest.raises(DeliveryError, match="have not ended yet"):
            receivers.deliver(receiver, message("one"))
        released.set()
        thread.join(PATIENCE)
