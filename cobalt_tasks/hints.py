"""Values read from Redis, parsed as hints: what is not exactly what Cobalt would have written counts as absent.

Any client of the broker can write there, and Redis can lose or mix up its data. The ledger decides; a wrong hint may cost
a little speed, never a crash and never a job.
"""

import math
import time
from collections.abc import Mapping
from typing import TypeGuard

import msgspec

from cobalt_tasks.catalog import DAY

SENT_AT = "cobalt_sent_at"
"""The message header that says when its jobs were marked as sent, by the database's clock."""

_LONGEST_NUMBER = 32
_LONGEST_NAME = 200
_MOST_WORKERS = 10_000
_SKEW_SECONDS = 2 * DAY
"""How far ahead of this host's clock the database's may be."""


def number(raw: object, low: float, high: float) -> float | None:
    """Return a number that lies in a range, or None for anything else.

    Args:
        raw: what Redis or a message held: bytes, text or a number.
        low: the smallest value that makes sense.
        high: the largest value that makes sense.

    """
    if isinstance(raw, bool) or not isinstance(raw, bytes | str | int | float):
        return None
    if isinstance(raw, bytes | str) and len(raw) > _LONGEST_NUMBER:
        return None
    try:
        value = float(raw)
    except (ValueError, OverflowError):
        return None
    return value if math.isfinite(value) and low <= value <= high else None


def sent_at(message: bytes | None) -> float | None:
    """Return when the jobs of a waiting message were marked as sent, in epoch seconds; None where no message waits.

    A message that does not say so, or is none of ours, counts as sent at 0: nothing is older, so nothing is taken for
    lost because of it.
    """
    if message is None:
        return None
    try:
        found = msgspec.json.decode(message)
    except (msgspec.DecodeError, RecursionError):
        return 0.0
    headers = found.get("headers") if isinstance(found, Mapping) else None
    raw = headers.get(SENT_AT) if isinstance(headers, Mapping) else None
    return number(raw, 0, time.time() + _SKEW_SECONDS) or 0.0


def worker_queues(answers: object) -> dict[str, list[str]]:
    """Return the queues of each worker from the answers to `inspect active_queues`; answers of another shape are left out."""
    found: dict[str, list[str]] = {}
    for name, queues in answers.items() if isinstance(answers, Mapping) else ():
        if _is_name(name) and isinstance(queues, list) and len(found) < _MOST_WORKERS:
            names = (queue.get("name") for queue in queues if isinstance(queue, Mapping))
            found[name] = sorted({each for each in names if _is_name(each)})
    return dict(sorted(found.items()))


def _is_name(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_NAME
