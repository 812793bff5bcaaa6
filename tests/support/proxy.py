"""A TCP proxy between the program and a server, that breaks connections as networks do."""

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Self


class Proxy:
    """Forwards connections to one port of 127.0.0.1, until told otherwise."""

    def __init__(self, port: int) -> None:
        """Listen on a free port."""
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._pairs: list[tuple[socket.socket, socket.socket, threading.Event]] = []
        self._is_cut = False
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def __enter__(self) -> Self:
        """Forward."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close everything."""
        # Ends the accept that waits; a listener that is only closed goes on waiting.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        accepting, *_ = self._threads
        accepting.join()
        self.cut()
        for thread in self._threads:
            thread.join()
        for near, far, _ in self._pairs:
            near.close()
            far.close()

    @property
    def connections(self) -> int:
        """How many have been made."""
        return len(self._pairs)

    def cut(self) -> None:
        """Close every connection, and every new one at once, until `mend`."""
        self._is_cut = True
        for near, far, _ in self._pairs:
            for end in (near, far):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """Forward new connections again."""
        self._is_cut = False

    def freeze(self) -> None:
        """Let every connection there is hang without a word, as when a firewall forgets them; new ones are well."""
        for _, _, frozen in self._pairs:
            frozen.set()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self._is_cut:
                near.close()
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                near.close()
                continue
            frozen = threading.Event()
            self._pairs.append((near, far, frozen))
            for source, sink in ((near, far), (far, near)):
                self._start(_pump, source, sink, frozen)

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()


def _pump(source: socket.socket, sink: socket.socket, frozen: threading.Event) -> None:
    try:
        while data := source.recv(65536):
            if frozen.is_set():
                return  # what was said is lost, and nobody closes
            sink.sendall(data)
    except OSError:
        pass
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
