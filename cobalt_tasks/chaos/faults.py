"""What goes wrong: one fault at a time, drawn by weight, each logged with the time it struck."""

import random
import signal
import time
from collections.abc import Callable
from typing import Final

import psutil
import redis
from msgspec import Struct
from msgspec.structs import replace
from redis.backoff import NoBackoff
from redis.retry import Retry

from cobalt_tasks.chaos import disk
from cobalt_tasks.chaos.stack import BEATS, WORKERS, Stack
from cobalt_tasks.core.durations import DAY, HOUR, MINUTE
from cobalt_tasks.core.timeouts import LEASE_SECONDS

_PAST_LEASE: Final = (LEASE_SECONDS + 1, LEASE_SECONDS + 8)
_SHORT: Final = (0.5, 5.0)
_OUTAGE: Final = (1.0, 8.0)
_LOCK_SECONDS: Final = 0.5
_STEPS: Final = (-DAY, -HOUR, HOUR, DAY)
_SKEWS: Final = (-5 * MINUTE, 5 * MINUTE)


class Struck(Struct, frozen=True):
    """A fault that was injected, and until when it lasted; epoch seconds, 0 for one that was over at once."""

    at: float
    name: str
    until: float = 0.0


class _Lasting(Struct, frozen=True):
    """What ends a fault that lasts: due by the monotonic clock; `number` is that of its entry in `Faults.struck`."""

    due: float
    undo: Callable[[], object]
    number: int


class Faults:
    """Injects faults into a stack."""

    def __init__(self, stack: Stack, choice: random.Random) -> None:
        """Inject nothing yet.

        stack: what the faults strike; choice: draws them, so that a seed repeats them.
        """
        self.struck: list[Struck] = []
        self.steps = [(time.time(), 0.0)]
        """When the database's clock was set, and how far ahead of this machine's that is."""
        self._stack = stack
        self._choice = choice
        self._lasting: list[_Lasting] = []
        self._lasts = 0.0
        self._kinds: list[tuple[str, int, Callable[[], bool]]] = [
            ("kill a pool child", 5, lambda: self._kill(self._pool_child())),
            ("kill a worker", 3, lambda: self._kill(self._one_of(*WORKERS))),
            ("kill the producer", 5, lambda: self._kill(self._one_of("producer"))),
            ("kill a beat", 2, lambda: self._kill(self._one_of(*BEATS))),
            ("kill Redis", 2, lambda: self._kill(self._one_of("redis"))),
            ("flush Redis", 2, self._flush),
            ("pause a process", 4, lambda: self._pause(self._anyone(), _SHORT)),
            ("pause a pool child past its lease", 3, lambda: self._pause(self._pool_child(), _PAST_LEASE)),
            ("turn Redis read-only", 2, self._make_replica),
            ("cut the second host off", 2, lambda: self._pause(self._one_of("relay"), _PAST_LEASE)),
            ("reset the second host's connections", 1, lambda: self._kill(self._one_of("relay"))),
            ("pause a worker past its lease", 1, lambda: self._pause(self._one_of(*WORKERS), _PAST_LEASE)),
        ]
        self._kinds += self._of_this_machine()

    @property
    def left_out(self) -> list[str]:
        """What cannot be done on this machine, and why."""
        reasons = []
        if self._stack.disk is None:
            reasons.append("no full disk: a file system of its own needs root, and cannot be kept")
        if not self._stack.clock.environment:
            reasons.append("no clock steps: libfaketime is not installed")
        return reasons

    def strike(self) -> None:
        """Inject one, unless there is nothing it could strike just now."""
        (kind,) = self._choice.choices(self._kinds, [weight for _, weight, _ in self._kinds])
        name, _, inject = kind
        at = time.time()
        self._lasts = 0.0
        try:
            if inject():
                self.struck.append(Struck(at, name, at + self._lasts if self._lasts else 0.0))
        except (psutil.NoSuchProcess, redis.RedisError):
            # The target had ended already; the next fault will find another.
            return

    def resume_due(self, *, at_once: bool = False) -> None:
        """End the faults whose time is over, all of them when `at_once`; what cannot be ended, as Redis is away or paused, is tried again next time."""
        now = time.monotonic()
        for each in [each for each in self._lasting if at_once or now >= each.due]:
            self._lasting.remove(each)
            try:
                each.undo()
            except psutil.NoSuchProcess:
                continue
            except redis.RedisError:
                self._lasting.append(replace(each, due=now))
                continue
            struck = self.struck[each.number]
            self.struck[each.number] = replace(struck, until=max(struck.until, time.time()))
        if at_once:
            self._set_clocks(0.0, 0.0)

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
        if self._stack.database == "sqlite" and not self._stack.trigger_log.is_writable(_LOCK_SECONDS):
            # It holds the one lock of the file, and no other process can write until it goes on, so none could recover.
            seconds = _SHORT
        self._last(self._choice.uniform(*seconds), process.resume)
        return True

    def _last(self, seconds: float, undo: "Callable[[], object]") -> None:
        self._lasts = seconds
        self._lasting.append(_Lasting(time.monotonic() + seconds, undo, len(self.struck)))

    def _of_this_machine(self) -> "list[tuple[str, int, Callable[[], bool]]]":
        kinds: list[tuple[str, int, Callable[[], bool]]] = []
        if self._stack.database == "postgresql":
            kinds.append(("restart PostgreSQL", 2, self._restart_postgres))
        if self._stack.disk is not None:
            kinds.append(("fill the disk", 2, self._fill_disk))
        if self._stack.clock.environment:
            kinds.append(("step the clocks", 2, self._step_clocks))
        return kinds

    def _flush(self) -> bool:
        with self._redis() as client:
            client.flushall()
        return True

    def _make_replica(self) -> bool:
        """Turn Redis into a replica that refuses to write, as a failover does, or let it miss its own replicas."""
        with self._redis() as client:
            if self._choice.random() < 0.5:  # noqa: PLR2004
                client.replicaof("127.0.0.1", 1)
            else:
                client.config_set("min-replicas-to-write", 1)
        self._last(self._choice.uniform(*_OUTAGE), self._make_master)
        return True

    def _make_master(self) -> None:
        with self._redis() as client:
            client.replicaof("NO", "ONE")
            client.config_set("min-replicas-to-write", 0)

    def _redis(self) -> redis.Redis:
        # A wait for Redis would keep the other faults from their end: no second try.
        path = str(self._stack.folder / "redis.sock")
        return redis.Redis(unix_socket_path=path, socket_timeout=1, retry=Retry(NoBackoff(), 0))

    def _fill_disk(self) -> bool:
        folder = self._stack.disk
        if folder is None:
            return False
        disk.fill(folder)
        self._last(self._choice.uniform(*_SHORT), lambda: disk.empty(folder))
        return True

    def _step_clocks(self) -> bool:
        step = 0.0 if self.steps[-1][1] else self._choice.choice(_STEPS)
        skew = self._choice.choice((0.0, *_SKEWS)) if self._stack.database == "postgresql" else 0.0
        self._set_clocks(step, skew)
        return True

    def _set_clocks(self, step: float, skew: float) -> None:
        """Set the clock of the database and its host, and that of the second host beside it."""
        self._stack.clock.step(step)
        if self._stack.second_clock is not self._stack.clock:
            self._stack.second_clock.step(step + skew)
        self.steps.append((time.time(), step))

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
