"""A webhook that counts what it accepts by its key, and fails, hangs and resets at times."""

import json
import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HANG_SECONDS = 1.0


class Webhook(ThreadingHTTPServer):
    """Answers by POST; `behaviour` returns how to treat the next request: a status, "hang", "reset" or "late reset"."""

    daemon_threads = True

    def __init__(self) -> None:
        """Listen on a free port of 127.0.0.1."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behaviour: Any = lambda: 200
        self.accepted: Counter[str] = Counter()
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.bodies: dict[str, dict[str, Any]] = {}
        self.late_resets = 0
        self.lock = threading.Lock()
        self.released = threading.Event()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}/hook/t0k3n"


def at_times(seed: int, good: int = 6) -> Any:
    """A behaviour that fails at four of `good` and four requests, each time in another way."""
    chance = random.Random(seed)
    return lambda: chance.choice([*[200] * good, 500, "reset", "late reset", "hang"])


@contextmanager
def webhook() -> Iterator[Webhook]:
    """Run one."""
    server = Webhook()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server = self.server
        with server.lock:
            how = server.behaviour()
            server.requests.append((dict(self.headers), body))
            if how in {200, "late reset"}:
                # What is reset late has arrived: only its key shows that the next one is the same.
                key = self.headers["Idempotency-Key"]
                server.accepted[key] += 1
                server.bodies.setdefault(key, json.loads(body))
                server.late_resets += how == "late reset"
        if how == "hang":
            server.released.wait(HANG_SECONDS)
        if isinstance(how, str):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            return
        self.send_response(how)
        if how in range(300, 400):
            self.send_header("Location", server.url)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Print nothing."""
