"""Lines from a TCP port into a journal: whole lines, so that those of several senders do not mix."""

import selectors
import socket
from collections.abc import Callable
from typing import Final

from cobalt_tasks.ingest.journal_writer import Writer, say

_MOST: Final = 64
"""Senders at a time; more wait in the system's queue."""

_LONGEST: Final = 1 << 20
"""Bytes of a line that are waited for. A longer one is refused whatever follows: its beginning is journaled as a line."""

_READ: Final = 1 << 16
_LAST_READS: Final = 128
"""What is taken from a sender at the end: more than the system holds, less than one that never stops sends."""


def listen(writer: Writer, address: str, alive: int, told: Callable[[], None]) -> bool:
    """Take lines until the other end of `alive` is closed; then what has arrived is still taken.

    False when the address cannot be listened to.
    """
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        server = socket.create_server((host, int(port)), family=family, backlog=_MOST)
    except (OSError, ValueError) as error:
        say(f"cannot listen on {address}: {error}")
        return False
    with server, selectors.DefaultSelector() as waiting:
        waiting.register(alive, selectors.EVENT_READ)
        say(f"listening on {address}")
        _Senders(writer, server, waiting, told).serve()
    return True


class _Senders:
    """Those who are connected, and the line each has not ended yet."""

    def __init__(
        self,
        writer: Writer,
        server: socket.socket,
        waiting: selectors.BaseSelector,
        told: Callable[[], None],
    ) -> None:
        self._writer = writer
        self._server = server
        self._waiting = waiting
        self._told = told
        self._held: dict[socket.socket, bytes] = {}
        self._passing: set[socket.socket] = set()
        server.setblocking(False)
        waiting.register(server, selectors.EVENT_READ)

    def serve(self) -> None:
        """Take connections and lines, until something else than a socket has an event."""
        while True:
            for key, _ in self._waiting.select():
                if not isinstance(key.fileobj, socket.socket):
                    self._end()
                    return
                if key.fileobj is self._server:
                    self._accept()
                else:
                    self._take(key.fileobj)

    def _accept(self) -> None:
        try:
            sender, _ = self._server.accept()
        except OSError:
            # Gone again before it was let in.
            return
        sender.setblocking(False)
        self._held[sender] = b""
        self._waiting.register(sender, selectors.EVENT_READ)
        if len(self._held) == _MOST:
            self._waiting.unregister(self._server)

    def _take(self, sender: socket.socket) -> bool:
        """Journal what a sender sent; False when there is nothing now."""
        try:
            data = sender.recv(_READ)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            held = self._held[sender]
            self._drop(sender)
            self._append(held + b"\n" if held else b"")
            return False
        if sender in self._passing:
            data = self._passed(sender, data)
        held = self._held[sender] + data
        cut = held.rfind(b"\n") + 1
        rest = held[cut:]
        self._append(held[:cut])
        if len(rest) > _LONGEST:
            # Whole lines only, or another sender's would be lost in this one.
            self._append(rest + b"\n")
            self._passing.add(sender)
            rest = b""
        self._held[sender] = rest
        return True

    def _passed(self, sender: socket.socket, data: bytes) -> bytes:
        """Pass over the rest of a long line; return what follows it."""
        _, ended, rest = data.partition(b"\n")
        if ended:
            self._passing.discard(sender)
        return rest

    def _append(self, lines: bytes) -> None:
        if lines:
            self._writer.append(lines)
            self._told()

    def _drop(self, sender: socket.socket) -> None:
        if len(self._held) == _MOST:
            self._waiting.register(self._server, selectors.EVENT_READ)
        del self._held[sender]
        self._passing.discard(sender)
        self._waiting.unregister(sender)
        sender.close()

    def _end(self) -> None:
        """Take what has arrived; a line that has not ended is one all the same."""
        for sender in list(self._held):
            for _ in range(_LAST_READS):
                if not self._take(sender):
                    break
            if sender in self._held:
                held = self._held[sender]
                self._append(held + b"\n" if held else b"")
                sender.close()
