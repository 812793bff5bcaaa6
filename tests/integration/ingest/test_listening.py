"""`--listen`: which connections are taken for senders of lines, which are dropped, and what a stranger's lines may do."""

import contextlib
import os
import signal
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.core.settings import load
from cobalt_tasks.db.engine import Database
from cobalt_tasks.ingest.run import Options, run
from cobalt_tasks.ingest.streams import listener as journal_listener
from cobalt_tasks.ingest.streams.journal_writer import Writer, data_file
from tests.conftest import free_port
from tests.integration.ingest.conftest import commands
from tests.support.waiting import PATIENCE, wait_until

LINE = b'{"type": "connection", "src_ip": "192.0.2.2", "dst_ip": "9.9.9.9", "dst_port": 443, "timestamp": 1}\n'
SCAN = b"open tcp 22 127.0.0.9 1760000000\n"
OTHERS = [
    b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99\r\n\r\n" + LINE,
    b"GET /" + b"x" * 100_000,
    b"PUT /x HTTP/1.0\n" + LINE,
    b"NOTIFY * HTTP/1.1\r\n\r\n" + LINE,
    b"\r\nGET / HTTP/1.1\r\n" + LINE,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + LINE,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + LINE,
    b"\x00\x03\x00\x5c\x21\x12\xa4\x42" + LINE,
    b"stun\x00user\n" + LINE,
]


class Listener:
    """A listener in a thread of this process."""

    def __init__(self, folder: Path, address: str) -> None:
        """Start it, and wait until it listens."""
        self.folder = folder
        self._far, self._near = os.pipe()
        self.address = address
        arguments = (Writer(folder, 1 << 30), address, self._far, lambda: None)
        self._thread = threading.Thread(target=journal_listener.listen, args=arguments)
        self._thread.start()

    def connect(self) -> socket.socket:
        """A connection to it."""
        deadline = time.monotonic() + 20
        while True:
            connection = socket.socket(socket.AF_UNIX if self.address.startswith("unix:") else socket.AF_INET)
            connection.settimeout(20)
            where = self.address.removeprefix("unix:")
            try:
                connection.connect(where if where.startswith("/") else ("127.0.0.1", int(where.rpartition(":")[2])))
            except OSError:
                connection.close()
                assert time.monotonic() < deadline
                time.sleep(0.02)
            else:
                return connection

    def send(self, *pieces: bytes) -> bytes:
        """What comes back on a connection after pieces were sent: nothing, until the listener or we end it."""
        with self.connect() as connection:
            try:
                for piece in pieces:
                    connection.sendall(piece)
                connection.shutdown(socket.SHUT_WR)
                return connection.recv(1)
            except OSError:
                return b""

    @property
    def journaled(self) -> bytes:
        """What is in the journal."""
        return data_file(self.folder, 0).read_bytes()

    def stop(self) -> None:
        """End it; what it has not read is still taken."""
        os.close(self._near)
        self._thread.join(PATIENCE)
        os.close(self._far)


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[Callable[..., Listener]]:
    """Starts listeners, on a TCP port unless told otherwise."""
    started: list[Listener] = []

    def begin(address: str = "") -> Listener:
        folder = tmp_path / f"journal-{len(started)}"
        folder.mkdir()
        started.append(Listener(folder, address or f"tcp://127.0.0.1:{free_port()}"))
        return started[-1]

    yield begin
    for each in started:
        each.stop()


@pytest.mark.parametrize("start", OTHERS)
def test_what_is_no_line_of_ours_is_dropped(start: bytes, listening: Callable[..., Listener]) -> None:
    """A browser's request, TLS and binary write nothing, whole or byte by byte, though lines follow them."""
    listener = listening()
    listener.send(start)
    listener.send(*(start[at : at + 1] for at in range(60)), start[60:])
    with listener.connect() as slow, contextlib.suppress(OSError):
        for piece in (start[:1], start[1:2], start[2:]):
            # One by one: what is sent at once arrives at once.
            slow.sendall(piece)
            time.sleep(0.05)
    listener.send(LINE)
    assert listener.journaled == LINE


def test_a_silent_sender_is_dropped(listening: Callable[..., Listener], monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time it is gone, and the beginning of its line is kept; one that sends now and then stays."""
    monkeypatch.setattr(journal_listener, "IDLE_SECONDS", 1.0)
    listener = listening()
    with listener.connect() as silent, listener.connect() as lively:
        silent.sendall(LINE[:-1])
        for _ in range(100):
            lively.sendall(b"{}\n")
            if LINE in listener.journaled:
                break
            time.sleep(0.1)
        assert silent.recv(1) == b""
        lively.sendall(b"still here\n")
        lively.shutdown(socket.SHUT_WR)
        assert lively.recv(1) == b""
    assert listener.journaled.endswith(b"still here\n")


def test_silent_connections_do_not_keep_others_out(listening: Callable[..., Listener]) -> None:
    """A hundred connections that send nothing: a new sender's lines are taken all the same."""
    listener = listening()
    held = [listener.connect() for _ in range(100)]
    listener.send(LINE)
    assert listener.journaled == LINE
    for each in held:
        each.close()


def test_an_endless_line_ends(listening: Callable[..., Listener], monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender whose line never ends is dropped; a little of it is kept."""
    monkeypatch.setattr(journal_listener, "_ENDLESS", 4 << 20)
    listener = listening()
    with listener.connect() as connection, pytest.raises(OSError):  # noqa: PT011  # reset, or a broken pipe
        connection.sendall(b"x" * (64 << 20))
    assert len(listener.journaled) < 2 << 20


def test_a_socket_of_this_user_alone(listening: Callable[..., Listener], tmp_path: Path) -> None:
    """unix:PATH takes lines, can be used by no other user, replaces one left behind, and goes with the listener."""
    path = tmp_path / "lines.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    listener = listening(f"unix:{path}")
    with listener.connect() as connection:
        connection.sendall(SCAN)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    second = listening(f"unix:{path}")
    second._thread.join(PATIENCE)
    assert path.exists()
    listener.stop()
    listener.stop = lambda: None  # type: ignore[method-assign]
    assert not path.exists()
    assert listener.journaled == SCAN


def ended(process: Any) -> tuple[int, str, str]:
    """Stop a command; its exit code, its output, and what it said."""
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=PATIENCE)
    return process.returncode, out, err


def send(port: int, data: bytes) -> None:
    """Send to a port as soon as it listens."""

    def is_sent() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
            connection.sendall(data)
            return True
        return False

    wait_until(is_sent, "it listens")


def jobs(database: Database) -> list[Any]:
    """The kinds of all jobs."""
    with database.reading() as connection:
        return list(connection.execute(text("SELECT DISTINCT kind FROM jobs ORDER BY kind")).scalars())


def test_a_strangers_scan_makes_us_probe_nothing(sqlite_database: Database, home: Path) -> None:
    """Without a scope, lines of a scanner from a TCP port are refused, also by a later --resume."""
    port = free_port()
    with commands() as begin:
        running = begin("--listen", f"tcp://127.0.0.1:{port}")
        send(port, SCAN)
        wait_until(lambda: any(file.stat().st_size for file in home.glob("journal/*/*.data")))
        ended(running)
        resumed = begin("--resume")
        _, err = resumed.communicate(timeout=PATIENCE)
    assert "COBALT_SCOPE" in err
    assert jobs(sqlite_database) == []


def test_with_a_scope_scans_are_taken(sqlite_database: Database, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scope bounds what a stranger can have us probe."""
    monkeypatch.setenv("COBALT_SCOPE", "127.0.0.0/8")
    port = free_port()
    with commands() as begin:
        running = begin("--listen", f"tcp://127.0.0.1:{port}", "--format", "masscan-list")
        send(port, SCAN + SCAN.replace(b"127.0.0.9", b"198.51.100.1"))
        wait_until(lambda: "banner" in jobs(sqlite_database))
        ended(running)
    with sqlite_database.reading() as connection:
        assert connection.execute(text("SELECT address FROM jobs WHERE kind = 'banner'")).scalars().all() == [
            "127.0.0.9"
        ]


def test_a_scan_from_a_port_is_refused_at_once(sqlite_database: Database, home: Path) -> None:
    """Asked for by its format or family, it is wrong usage without a scope."""
    for options in ({"format": "masscan-list"}, {"family": "nmap"}):
        with pytest.raises(ConfigurationError, match="COBALT_SCOPE"):
            run(load(), Options(listen="tcp://127.0.0.1:1", **options))


def test_a_port_that_others_reach_is_warned_of(sqlite_database: Database, home: Path) -> None:
    """On an address that other machines reach it says so, and listens."""
    port = free_port()
    with commands() as begin:
        running = begin("--listen", f"tcp://0.0.0.0:{port}", "--format", "capture")
        send(port, LINE)
        wait_until(lambda: "geolocation" in jobs(sqlite_database) or "domain" in jobs(sqlite_database))
        _, _, err = ended(running)
    assert "every machine that reaches 0.0.0.0" in err
