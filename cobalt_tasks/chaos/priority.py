"""Invariant 4 of docs/architecture.md, checked after the faults: an urgent job starts before all waiting ones."""

import time
from collections.abc import Callable
from contextlib import closing
from typing import Final

from cobalt_tasks.chaos.feed import REFUSING_PORT, Feed
from cobalt_tasks.chaos.producer import Producer
from cobalt_tasks.chaos.stack import CONCURRENCY, WORKERS, Stack
from cobalt_tasks.core.kinds import Urgency
from cobalt_tasks.core.records import NewJob, State
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db.engine import Database
from cobalt_tasks.jobs import creation
from cobalt_tasks.jobs.dispatcher import Dispatcher

SLOTS: Final = len(WORKERS) * CONCURRENCY
"""Batches that may have been taken already when the urgent one is sent."""

_FLOOD: Final = 4000
_ADDRESSES: Final = ("127.79.0.1", "127.79.0.2")
_SECONDS: Final = 60.0


def overtaken(
    settings: Settings, stack: Stack, feed: Feed, producer: Producer, tick: Callable[[], object]
) -> int | None:
    """Flood the queues, then request one banner; return how many batches started before it. None if it never started, or
    if nothing of the flood was left by then.

    Args:
        settings: those of the stack.
        stack: what is flooded.
        feed: writes the flood.
        producer: reads the flood into the ledger.
        tick: called between two looks at the ledger, to keep the stack running.

    """
    producer.read([feed.flood(_FLOOD)])
    waiting = "SELECT count(*) FROM jobs WHERE kind = 'banner' AND state = 'sent'"
    if not _waited_for(lambda: stack.trigger_log.count(waiting) > 0, tick):
        return None
    with closing(_Urgent(settings)) as urgent:
        # The first message takes its time: connections are made.
        urgent.ask(_ADDRESSES[0])
        urgent.ask(_ADDRESSES[1])
        sent = time.time()
    feed.jobs.update(("banner", address, REFUSING_PORT) for address in _ADDRESSES)
    begun = f"SELECT started_at FROM jobs WHERE kind = 'banner' AND address = '{_ADDRESSES[1]}'"  # noqa: S608
    if not _waited_for(lambda: stack.trigger_log.ask(begun)[0][0] is not None, tick):
        return None
    ((begun_at,),) = stack.trigger_log.ask(begun)
    batches = f"SELECT count(DISTINCT claim) FROM chaos_transitions WHERE new = '{State.RUNNING}' AND at"  # noqa: S608
    if not _waited_for(lambda: stack.trigger_log.count(f"{batches} > {begun_at!r}") > 0, tick):
        return None
    return stack.trigger_log.count(f"{batches} > {sent!r} AND at < {begun_at!r}")


class _Urgent:
    """A user who requests a banner interactively."""

    def __init__(self, settings: Settings) -> None:
        self._database = Database(settings.database_url)
        self._dispatcher = Dispatcher(self._database, settings)

    def ask(self, address: str) -> None:
        new = NewJob(kind="banner", address=address, protocol="tcp", port=REFUSING_PORT, urgency=Urgency.INTERACTIVE)
        self._database.write(creation.create, [new])
        self._dispatcher.dispatch(["banner"])

    def close(self) -> None:
        self._dispatcher.broker.close()
        self._database.dispose()


def _waited_for(holds: Callable[[], bool], tick: Callable[[], object]) -> bool:
    deadline = time.monotonic() + _SECONDS
    while not holds():
        if time.monotonic() > deadline:
            return False
        tick()
    return True
