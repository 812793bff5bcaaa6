"""A rolling window over the jobs of one kind that wait for the network: as targets end, the next ones are claimed.

One task keeps up to a thousand sockets of its process busy. It starts with the jobs of its message; each place that becomes
free goes to the most urgent due job of the same kind, until more urgent messages of another kind wait for this worker, or
for `REFILL_SECONDS`. What targets answered is committed in small transactions as it comes, each of which claims the next.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

from cobalt_tasks.core.errors import BrokerUnavailableError, DatabaseUnavailableError
from cobalt_tasks.core.machine import free_descriptors
from cobalt_tasks.core.records import Job, Outcome
from cobalt_tasks.core.timeouts import JOB_SECONDS, LEASE_SECONDS, SOFT_LIMIT_SECONDS
from cobalt_tasks.jobs import pace
from cobalt_tasks.jobs.claims import ClaimTerms, has_lone
from cobalt_tasks.jobs.completion import Exchange, complete_all, exchange
from cobalt_tasks.jobs.host_limits import Limits
from workers.batches import LoopLag, held_up, run_guarded
from workers.context import WorkerContext
from workers.handshake_bytes import HANDSHAKE_BYTES
from workers.held_claims import Held, holding, is_stopping
from workers.net import MOST_OPEN, Net
from workers.pace import Pace
from workers.queues import levels_before_others
from workers.retry import until_database_answers
from workers.runners import Probes, checked_outcome

log = logging.getLogger(__name__)

REFILL_SECONDS: Final = 15.0
"""How long a task claims more, so that messages of other kinds, and the sweep, get their turn."""

_END_SECONDS: Final = SOFT_LIMIT_SECONDS - 2.0
"""When the last job of a window has to end, after its start."""

_CLAIMED_AT_ONCE: Final = 512
"""Jobs that one transaction claims at most: what it costs whatever it claims is a third of it with 128."""

_STARTED_AT_ONCE: Final = 16
_START_PAUSE: Final = 0.005

_POLL_SECONDS: Final = 0.5
"""Between two looks for due jobs when there were none."""

_PACED_POLL_SECONDS: Final = 0.05
_DISPATCH_SECONDS: Final = 1.0
_LONGEST_PAUSE: Final = 0.25
_LATE: Final = 0.1
"""Lateness of the event loop, in seconds, with which it starts nothing more."""

_SPARE_DESCRIPTORS: Final = 64
_PER_JOB: Final = 2
"""Descriptors of one job: its connection, and the one before that is being closed."""

_OTHERS: Final = 512
"""Jobs at a time of kinds that do not connect to targets: each may ask several questions at once."""

_OTHERS_STARTED_AT_ONCE: Final = 64
"""Of these: what they ask at once fits the buffers of sockets, and answers are read in between."""


class Window:
    """The jobs one task runs."""

    def __init__(self, own: WorkerContext, probes: Probes, held: Held) -> None:
        """Run nothing yet.

        Args:
            own: what this process has.
            probes: the kind, and its probe.
            held: keeps the claims.

        """
        kind, wanted = probes.kind, own.settings
        self.done = 0
        self.following: set[str] = set()
        self._own = own
        self._probes = probes
        self._held = held
        self._terms = ClaimTerms(kind=kind.name, lease=LEASE_SECONDS, limits=Limits.of(wanted))
        most = MOST_OPEN if kind.is_active else _OTHERS
        self._most = max(1, min(most, (free_descriptors() - _SPARE_DESCRIPTORS) // _PER_JOB))
        self._start = time.monotonic()
        self._refill_until = self._start + refill_seconds(wanted.probe_timeout)
        self._running: dict[int, tuple[str, Job]] = {}
        self._ended: dict[str, list[Outcome]] = defaultdict(list)
        self._open: dict[str, int] = {}
        self._news = asyncio.Event()
        self._written = asyncio.Event()
        self._took = self._wrote_at = 0.0
        self._pace: Pace | None = None
        self._is_dry = False
        self._looked_at = self._dispatched_at = self._start
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, ids: Sequence[int]) -> None:
        """Do the jobs with these ids, and others of their kind.

        Raises:
            DatabaseUnavailableError: the ledger stayed away; what is not written will be reaped.

        """
        settings = self._own.settings
        net = Net(self._own.scope, settings.probe_timeout, settings.resolvers, offline=settings.offline)
        rate, database = settings.probe_rate, self._own.database
        if rate and self._probes.kind.is_active:
            self._pace = Pace(rate, lambda wanted: database.write(pace.reserve, rate, wanted))
        self._net = net.paced(self._pace).asking(
            community=settings.snmp_community,
            industrial=settings.industrial,
            scan_tls=settings.tls_scan,
            user_agent=settings.user_agent,
            greeting_name=settings.greeting_name,
        )
        self._lag = LoopLag()
        watching = asyncio.create_task(self._lag.watch())
        with ThreadPoolExecutor(1, thread_name_prefix="ledger") as ledger:
            self._ledger = ledger
            try:
                await self._exchange(ids)
                while self._running or self._ended or (self._may_refill() and not self._is_dry):
                    await self._wait()
                    await self._exchange()
            finally:
                watching.cancel()

    def fail(self, error: Exception) -> None:
        """Write what has ended, and that the rest was held up: one of those jobs may be the reason."""
        ended = defaultdict(list, self._ended)
        for token, job in self._running.values():
            ended[token].append(held_up(job, f"{type(error).__name__}: {error}"))
        self.following |= until_database_answers(lambda: self._own.database.write(complete_all, ended))
        self.done += sum(map(len, ended.values()))

    async def _wait(self) -> None:
        """Wait until something has ended, or it is time to look for due jobs again."""
        # The ledger is busy for half of the time at most: what ends meanwhile is written together.
        await asyncio.sleep(min(self._wrote_at + self._took - time.monotonic(), _LONGEST_PAUSE))
        if not self._ended:
            self._news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll_seconds()):
                    await self._news.wait()

    def _poll_seconds(self) -> float:
        if self._pace and self._may_refill() and not self._is_dry:
            return _PACED_POLL_SECONDS
        return _POLL_SECONDS if self._running else self._lag.recent

    async def _exchange(self, named: Sequence[int] = ()) -> None:
        ended, self._ended = self._ended, defaultdict(list)
        room = self._most_at_once() if named else self._room(is_asked=bool(ended))
        if not ended and not room:
            return
        written, self._written = self._written, asyncio.Event()
        before = time.monotonic()
        found = await asyncio.get_running_loop().run_in_executor(self._ledger, self._write, ended, room, named)
        self._wrote_at = time.monotonic()
        self._took = self._wrote_at - before
        written.set()
        self.following |= found.following
        for token, outcomes in ended.items():
            self._count_down(token, len(outcomes))
        await self._begin(found)
        if room:
            self._is_dry = len(found.claim.jobs) < room
        if named and has_lone(found.claim.jobs):
            self._refill_until = 0.0

    def _room(self, *, is_asked: bool) -> int:
        """Return how many jobs to claim now. `is_asked`: the ledger is asked anyway."""
        if not self._may_refill():
            return 0
        if self._lag.recent > _LATE:
            # What ended now may have made others due.
            self._is_dry = self._is_dry and not is_asked
            return 0
        now = time.monotonic()
        if self._is_dry and not is_asked and now < self._looked_at + _POLL_SECONDS:
            return 0
        self._looked_at = now
        return min(_CLAIMED_AT_ONCE, self._most_at_once())

    def _most_at_once(self) -> int:
        room = self._most - len(self._running)
        return min(room, self._pace.room) if self._pace else room

    def _may_refill(self) -> bool:
        return time.monotonic() < self._refill_until and not is_stopping()

    def _write(self, ended: dict[str, list[Outcome]], room: int, named: Sequence[int]) -> Exchange:
        """Write and claim, in the thread of the ledger."""
        own, kind = self._own, self._probes.kind
        levels = kind.levels if named else self._levels(room)
        wanted = room if levels else 0
        found = until_database_answers(lambda: own.database.write(exchange, ended, self._terms, wanted, levels, named))
        if len(levels) < len(kind.levels) and len(found.claim.jobs) < room:
            # The next is a job of another kind; this process is free for it when what runs has ended.
            self._refill_until = 0.0
        now = time.monotonic()
        if ended and now > self._dispatched_at + _DISPATCH_SECONDS:
            self._dispatched_at = now
            # The jobs wait in the ledger; what was claimed above must not be claimed twice.
            with suppress(BrokerUnavailableError, DatabaseUnavailableError):
                own.dispatcher.dispatch({kind.name, *found.following, *self.following})
        return found

    def _levels(self, room: int) -> tuple[int, ...]:
        if not room:
            return self._probes.kind.levels
        return levels_before_others(self._own.dispatcher.broker, self._probes.kind, time.monotonic() - self._start)

    async def _begin(self, found: Exchange) -> None:
        token, claimed = found.claim.token, found.claim.jobs
        if not claimed:
            return
        self._held.add(token)
        self._open[token] = len(claimed)
        self._running.update((job.id, (token, job)) for job in claimed)
        net = self._net.knowing(found.names)
        is_active = self._probes.kind.is_active
        at_once = _STARTED_AT_ONCE if is_active else _OTHERS_STARTED_AT_ONCE
        for number, job in enumerate(claimed):
            if number % at_once == at_once - 1:
                # What starts together waits together, and is to be served at one moment later on.
                await asyncio.sleep(max(_START_PAUSE, self._lag.recent) if is_active else 0.0)
            task = asyncio.create_task(self._do(token, job, net))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _do(self, token: str, job: Job, net: Net) -> None:
        seconds = max(0.0, min(JOB_SECONDS, self._start + _END_SECONDS - time.monotonic()))
        outcome = await run_guarded(self._probes.probe, job, net, self._lag, seconds)
        del self._running[job.id]
        self._ended[token].append(checked_outcome(self._probes.kind, job, outcome))
        self._news.set()
        task = asyncio.current_task()
        if task and HANDSHAKE_BYTES.is_holding(task):
            # Its certificates take room until they are written.
            await self._written.wait()

    def _count_down(self, token: str, ended: int) -> None:
        self.done += ended
        self._open[token] -= ended
        if not self._open[token]:
            del self._open[token]
            self._held.drop(token)


def refill_seconds(timeout: float) -> float:
    """Return how long a window claims more, so that the last job can end within the soft time limit of a task.

    timeout: seconds one probe may take.
    """
    longest = min(JOB_SECONDS, 2 * timeout)
    return max(0.0, min(REFILL_SECONDS, _END_SECONDS - 1.0 - longest))


def roll(own: WorkerContext, probes: Probes, ids: Sequence[int]) -> Window:
    """Do the jobs with these ids, and due ones of their kind in their wake; return the window when it is over.

    Args:
        own: what this process has.
        probes: the kind, and its probe.
        ids: of the first jobs; they need not exist.

    Raises:
        DatabaseUnavailableError: the ledger stayed away.

    """
    with holding(own.database) as held:
        window = Window(own, probes, held)
        try:
            asyncio.run(window.run(ids))
        except DatabaseUnavailableError:
            raise
        except Exception as error:
            log.exception("a whole window of %s jobs failed", probes.kind.name)
            window.fail(error)
    log.info("%s: %d jobs", probes.kind.name, window.done)
    return window
