"""The queues this worker takes from, and whether a more urgent message of another kind waits in one of them."""

from typing import Any, Final

from celery import signals

from cobalt_tasks.core.catalog import BY_NAME, CONTROL_LEVEL
from cobalt_tasks.core.errors import BrokerUnavailableError
from cobalt_tasks.core.kinds import CONTROL_QUEUE, Kind
from cobalt_tasks.jobs.broker import Broker

_CONTROL_WAITS: Final = 8.0
"""Seconds the sweep may wait for a worker that takes from all queues: with one process, it would stop each window at once."""

_consumed: list[str] = []
"""By name; filled in the main process before its pool is made."""


@signals.celeryd_after_setup.connect
def _note_queues(instance: Any, **_: object) -> None:
    _consumed[:] = list(instance.app.amqp.queues.consume_from)


def levels_before_others(broker: Broker, kind: Kind, seconds: float) -> tuple[int, ...]:
    """Return the levels of a kind at which its jobs are due before what waits in the other queues of this worker.

    All of them where Redis does not answer.

    Args:
        broker: where the messages wait.
        kind: the kind that runs.
        seconds: how long it has run.

    """
    order = list(BY_NAME)
    others = [
        (level, order.index(name), name)
        for name in _consumed
        if name in BY_NAME and name != kind.name
        for level in BY_NAME[name].levels
    ]
    if CONTROL_QUEUE in _consumed and seconds > _CONTROL_WAITS:
        others.append((CONTROL_LEVEL, -1, CONTROL_QUEUE))
    if not others:
        return kind.levels
    try:
        lengths = broker.lengths((name, level) for level, _, name in others)
    except BrokerUnavailableError:
        return kind.levels
    first = min(
        ((level, place) for (level, place, _), length in zip(others, lengths, strict=True) if length), default=None
    )
    return (
        kind.levels if first is None else tuple(each for each in kind.levels if (each, order.index(kind.name)) < first)
    )
