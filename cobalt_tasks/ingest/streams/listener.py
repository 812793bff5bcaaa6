"""Lines from a TCP port or a Unix socket into a journal: whole lines, so that those of several senders do not mix."""

import os
import re
import selectors
import socket
import stat
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

from cobalt_tasks.ingest.streams.journal_writer import Writer, report

_MOST: Final = 64
"""Senders at a time; one more ends the one that has been silent longest."""

_LONGEST: Final = 1 << 20
"""Bytes of a line that are waited for. A longer one is refused whatever follows: its start is journaled as a line."""

_ENDLESS: Final = 16 << 20
"""Bytes of a line after which its sender is dropped."""

IDLE_SECONDS: Final = 600.0
"""A sender that is silent for so long is dropped; what it has sent is kept."""

_READ: Final = 1 << 16
_LAST_READS: Final = 128
"""What is taken from a sender at the end: more than the system holds, less than one that never stops sends."""

_METHODS: Final = tuple(
    f"{word} ".encode()
    for word in ("GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "PRI")
)
_REQUEST_LINE: Final = re.compile(rb"[^\s]{1,64} [^\r\n]* HTTP/\d")
_CONTROL: Final = frozenset(range(0x20)) - frozenset(b"\t\r\n\x1b")


def listen(writer: Writer, address: str, alive: int, journaled: Callable[[], None]) -> bool:
    """Read lines until the other end of `alive` is closed; then what has arrived is still stored.

    Args:
        writer: where lines go.
        address: tcp://HOST:PORT or unix:PATH.
        alive: a descriptor whose other end is closed when the program that started this one ends.
        journaled: called after lines were written.

    Returns:
        False when the address cannot be listened to.

    """
    with ExitStack() as stack:
        try:
            server = _unix(Path(address.removeprefix("unix:")), stack) if address.startswith("unix:") else _tcp(address)
        except (OSError, ValueError) as error:
            report(f"cannot listen on {address}: {error}")
            return False
        waiting = stack.enter_context(selectors.DefaultSelector())
        stack.enter_context(server)
        waiting.register(alive, selectors.EVENT_READ)
        report(f"listening on {address}")
        _Senders(writer, server, waiting, journaled).serve()
    return True


def is_other_protocol(start: bytes) -> bool:
    """Return whether the first bytes of a connection are no lines for us: HTTP as browsers speak it, TLS, anything binary.

    A page of any site can let a browser send such bytes to a port of its own machine.
    """
    start = start.lstrip(b"\r\n")[:8192]
    return bool(start) and (
        start[0] in _CONTROL or start.startswith(_METHODS) or _REQUEST_LINE.match(start) is not None or b"\0" in start
    )


def _tcp(address: str) -> socket.socket:
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, int(port)), family=family, backlog=_MOST)


def _unix(path: Path, stack: ExitStack) -> socket.socket:
    """Listen on a socket that only this user can connect to; it goes with the listener."""
    server = socket.socket(socket.AF_UNIX)
    try:
        _remove_left(path)
        before = os.umask(0o177)
        try:
            server.bind(str(path))
        finally:
            os.umask(before)
        stack.callback(path.unlink, missing_ok=True)
        server.listen(_MOST)
    except OSError:
        server.close()
        raise
    return server


def _remove_left(path: Path) -> None:
    """Remove a socket on which no process listens any more; anything else stays."""
    with suppress(FileNotFoundError):
        if stat.S_ISSOCK(path.lstat().st_mode):
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(1)
                try:
                    client.connect(str(path))
                except ConnectionRefusedError:
                    path.unlink()


class _Sender:
    """One connection: the line it has not ended yet, and how long it has been silent."""

    def __init__(self) -> None:
        self.held = bytearray()
        self.is_known = False
        self.passed = 0
        """Bytes of a long line that were passed over; 0 when none is."""
        self.heard_at = time.monotonic()


class _Senders:
    """Those who are connected."""

    def __init__(
        self,
        writer: Writer,
        server: socket.socket,
        waiting: selectors.BaseSelector,
        journaled: Callable[[], None],
    ) -> None:
        self._writer = writer
        self._server = server
        self._waiting = waiting
        self._journaled = journaled
        self._open: dict[socket.socket, _Sender] = {}
        self._has_complained = False
        server.setblocking(False)
        waiting.register(server, selectors.EVENT_READ)

    def serve(self) -> None:
        """Accept connections and lines, until something else than a socket has an event."""
        while True:
            for key, _ in self._waiting.select(self._max_wait()):
                if not isinstance(key.fileobj, socket.socket):
                    self._end()
                    return
                if key.fileobj is self._server:
                    self._accept()
                elif key.fileobj in self._open:
                    self._take(key.fileobj)
            self._drop_silent()

    def _max_wait(self) -> float | None:
        """Return the seconds until a sender may have been silent for too long; None without senders."""
        heard = min((sender.heard_at for sender in self._open.values()), default=None)
        return None if heard is None else max(0.0, heard + IDLE_SECONDS - time.monotonic()) + 0.01

    def _drop_silent(self) -> None:
        now = time.monotonic()
        for connection, sender in list(self._open.items()):
            if now - sender.heard_at >= IDLE_SECONDS:
                self._close(connection)

    def _accept(self) -> None:
        try:
            connection, _ = self._server.accept()
        except OSError:
            # Gone again before it was let in.
            return
        if len(self._open) >= _MOST:
            self._close(min(self._open, key=lambda each: self._open[each].heard_at))
        connection.setblocking(False)
        self._open[connection] = _Sender()
        self._waiting.register(connection, selectors.EVENT_READ)

    def _take(self, connection: socket.socket) -> bool:
        """Journal what a sender sent; False when there is nothing now, or it is gone."""
        try:
            data = connection.recv(_READ)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self._close(connection)
            return False
        sender = self._open[connection]
        sender.heard_at = time.monotonic()
        if sender.passed:
            data = _pass(sender, data)
            if sender.passed > _ENDLESS:
                self._close(connection)
                return False
        sender.held += data
        return self._judge(connection, sender) and self._keep_lines(sender, data)

    def _judge(self, connection: socket.socket, sender: _Sender) -> bool:
        """Return whether a sender sends lines; drop it, and all it sent, if it speaks another protocol."""
        if sender.is_known:
            return True
        if is_other_protocol(bytes(sender.held)):
            if not self._has_complained:
                report("dropped a connection that speaks HTTP or another protocol; later ones are dropped in silence")
            self._has_complained = True
            sender.held.clear()
            self._close(connection)
            return False
        sender.is_known = b"\n" in sender.held.lstrip(b"\r\n") or len(sender.held) > _LONGEST
        return True

    def _keep_lines(self, sender: _Sender, data: bytes) -> bool:
        if not sender.is_known:
            # Empty lines so far: a request may follow them.
            return True
        if b"\n" in data:
            cut = sender.held.rfind(b"\n") + 1
            self._append(bytes(sender.held[:cut]))
            del sender.held[:cut]
        if len(sender.held) > _LONGEST:
            # Whole lines only, or another sender's would be lost in this one.
            self._append(bytes(sender.held) + b"\n")
            sender.passed = len(sender.held)
            sender.held.clear()
        return True

    def _append(self, lines: bytes) -> None:
        if lines:
            self._writer.append(lines)
            self._journaled()

    def _close(self, connection: socket.socket) -> None:
        """End a connection; a line that has not ended is one all the same."""
        held = bytes(self._open.pop(connection).held)
        self._waiting.unregister(connection)
        connection.close()
        if held and not is_other_protocol(held):
            self._append(held + b"\n")

    def _end(self) -> None:
        """Read what has arrived."""
        for connection in list(self._open):
            for _ in range(_LAST_READS):
                if not self._take(connection):
                    break
            if connection in self._open:
                self._close(connection)


def _pass(sender: _Sender, data: bytes) -> bytes:
    """Pass over the rest of a long line; return what follows it."""
    _, ended, rest = data.partition(b"\n")
    sender.passed = 0 if ended else sender.passed + len(data)
    return rest
