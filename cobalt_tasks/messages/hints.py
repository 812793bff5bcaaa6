"""Values read from Redis, parsed as hints: what is not exactly what Cobalt would have written counts as absent.

Any client of the broker can write there, and Redis can lose or mix up its data. The ledger decides; a wrong hint may cost
a little speed, never a crash and never a job.
"""

import math
import time
from collections.abc import Mapping
from typing import TypeGuard

import msgspec

from cobalt_tasks.core.durations import DAY

SENT_AT = "cobalt_sent_at"
"""The message header with the time at which its jobs were marked as sent, by the database's clock."""

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

    A message without that header, or none of ours, counts as sent at 0: nothing is older, so nothing is taken for
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


class WorkerReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker reported of itself; None: it did not, or the value is not plausible.

    Attributes:
        queues: those it takes from.
        descriptors: open files of the process of it that has most.
        descriptor_limit: how many it may have.
        clock: its time of day, in epoch seconds.
        step: by how many seconds that clock was stepped lately.

    """

    queues: list[str]
    descriptors: int | None = None
    descriptor_limit: int | None = None
    clock: float | None = None
    step: float | None = None


def worker_reports(answers: object) -> dict[str, WorkerReport]:
    """Return what each worker reported of itself, by name; answers of another shape are left out.

    `answers`: a list of objects with one key each, the worker's name, as a broadcast brings them.
    """
    found: dict[str, WorkerReport] = {}
    for answer in answers if isinstance(answers, list) else ():
        for name, report in answer.items() if isinstance(answer, Mapping) else ():
            queues = report.get("queues") if isinstance(report, Mapping) else None
            if _is_name(name) and isinstance(queues, list) and len(found) < _MOST_WORKERS:
                opened, limit = (number(report.get(key), 0, 2**53) for key in ("descriptors", "descriptor_limit"))
                found[name] = WorkerReport(
                    queues=sorted({each for each in queues if _is_name(each)}),
                    descriptors=None if opened is None else int(opened),
                    descriptor_limit=None if limit is None else int(limit),
                    clock=number(report.get("clock"), 0, 2**40),
                    step=number(report.get("step"), -(2**40), 2**40),
                )
    return dict(sorted(found.items()))


def _is_name(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_NAME
