"""What goes wrong: one fault at a time, drawn by weight, each logged with the time it struck."""

import random
import signal
import time
from typing import TYPE_CHECKING, Final

import psutil
import redis
from msgspec import Struct

from cobalt_tasks.chaos.stack import BEATS, WORKERS, Stack
from cobalt_tasks.timing import LEASE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

_PAST_LEASE: Final = (LEASE_SECONDS + 1, LEASE_SECONDS + 8)
_SHORT: Final = (0.5, 5.0)


class Struck(Struct, frozen=True):
    """A fault that was injected; epoch seconds."""

    at: float
    name: str


class Faults:
    """Injects faults into a stack."""

    def __init__(self, stack: Stack, choice: random.Random) -> None:
        """Nothing has gone wrong yet."""
        self.struck: list[Struck] = []
        self._stack = stack
        self._choice = choice
        self._paused: list[tuple[float, psutil.Process]] = []
        self._kinds: list[tuple[str, int, Callable[[], bool]]] = [
            ("kill a pool child", 5, lambda: self._kill(self._pool_child())),
            ("kill a worker", 3, lambda: self._kill(self._one_of(*WORKERS))),
            ("kill the producer", 5, lambda: self._kill(self._one_of("producer"))),
            ("kill a beat", 2, lambda: self._kill(self._one_of(*BEATS))),
            ("kill Redis", 2, lambda: self._kill(self._one_of("redis"))),
            ("flush Redis", 2, self._flush),
            ("pause a process", 4, lambda: self._pause(self._anyone(), _SHORT)),
            ("pause a pool child past its lease", 3, lambda: self._pause(self._pool_child(), _PAST_LEASE)),
            ("pause a worker past its lease", 1, lambda: self._pause(self._one_of(*WORKERS), _PAST_LEASE)),
        ]
        if stack.database == "postgresql":
            self._kinds.append(("restart PostgreSQL", 2, self._restart_postgres))

    def strike(self) -> None:
        """Inject one, unless there is nothing it could strike just now."""
        (kind,) = self._choice.choices(self._kinds, [weight for _, weight, _ in self._kinds])
        name, _, inject = kind
        at = time.time()
        try:
            if inject():
                self.struck.append(Struck(at, name))
        except (psutil.NoSuchProcess, redis.RedisError):
            # It had gone already; the next one will find somebody.
            return

    def resume_due(self, *, everybody: bool = False) -> None:
        """Let those go on whose pause is over."""
        for until, process in self._paused[:]:
            if everybody or time.monotonic() >= until:
                self._paused.remove((until, process))
                try:
                    process.resume()
                except psutil.NoSuchProcess:
                    continue

    def by_name(self) -> dict[str, int]:
        """Return how often each struck."""
        counts: dict[str, int] = {}
        for fault in self.struck:
            counts[fault.name] = counts.get(fault.name, 0) + 1
        return dict(sorted(counts.items()))

    def _kill(self, process: psutil.Process | None) -> bool:
        if process is None:
            return False
        process.kill()
        return True

    def _pause(self, process: psutil.Process | None, seconds: tuple[float, float]) -> bool:
        if process is None:
            return False
        process.suspend()
        self._paused.append((time.monotonic() + self._choice.uniform(*seconds), process))
        return True

    def _flush(self) -> bool:
        with redis.Redis(unix_socket_path=str(self._stack.folder / "redis.sock"), socket_timeout=2) as client:
            client.flushall()
        return True

    def _restart_postgres(self) -> bool:
        """Shut it down at once, as a crash would: all connections end, and it recovers from its log."""
        process = self._one_of("postgres")
        if process is None:
            return False
        process.send_signal(signal.SIGQUIT)
        return True

    def _one_of(self, *names: str) -> psutil.Process | None:
        return self._stack.process(self._choice.choice(names))

    def _pool_child(self) -> psutil.Process | None:
        pool = self._stack.pool()
        return self._choice.choice(pool) if pool else None

    def _anyone(self) -> psutil.Process | None:
        return self._one_of(*WORKERS, *BEATS, "producer", "redis")
