"""Lines of text that a log shipper put into an object each, or behind a time: Docker, the journal, Fluentd, Loki, CloudWatch."""

import re
from collections.abc import Iterator
from typing import Any, Final

from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.formats.json_text import UNREADABLE, WRAPPERS, decode

_SIGN: Final = re.compile(rb'"(?:%s)"\s*:\s*["\[{]' % b"|".join(each.encode() for each in WRAPPERS)).search
_TIMES: Final = (
    "_SOURCE_REALTIME_TIMESTAMP",
    "__REALTIME_TIMESTAMP",
    "time",
    "timestamp",
    "@timestamp",
    "_time",
    "date",
)
_DEEPEST: Final = 4
_MOST: Final = 10_000

_STAMP: Final = re.compile(
    rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}(?:Z|[+-]\d\d:\d\d)) (?:std(?:out|err) [FP] )?"
).match
"""What `docker logs -t` and Kubernetes write before a line."""

Texts = list[tuple[bytes, float | None]]


def lines(data: bytes, position: int, batch: Batch) -> Iterator[tuple[int, bytes]]:
    """Yield (position, line) for each line; instead of one that is wrapped, the lines in it, which have the time of the wrapper.

    data: the lines; position: of the first byte; batch: what they are read into.
    """
    for line in data.split(b"\n"):
        # Most lines are neither: they cost no more than this.
        inside = texts(line) if line[:1] == b"{" or line[10:11] == b"T" else None
        if not inside:
            yield position, line
        else:
            for text, when in inside:
                batch.written_at = batch.arrived_at if when is None else min(when, batch.arrived_at)
                for each in text.split(b"\n"):
                    yield position, each
            batch.written_at = batch.arrived_at
        position += len(line) + 1


def plain(sample: bytes) -> bytes:
    """Return the lines that are wrapped in the lines of a sample; nothing when none is."""
    return b"\n".join(text for line in sample.split(b"\n") for text, _ in texts(line))


def texts(line: bytes) -> Texts:
    """Return the texts in a line that is the object of a log shipper, or behind its time, and when each was written; nothing for another line."""
    if stamp := _STAMP(line):
        return [(line[stamp.end() :], values.timestamp_or_none(stamp[1].decode()))]
    if not line.startswith(b"{") or _SIGN(line) is None:
        return []
    try:
        return _texts(decode(line), None, 0)
    except UNREADABLE:
        return []


def time_of(record: dict[str, Any]) -> float | None:
    """Return when a log shipper got a line, from its object: epoch seconds, None if it has no time."""
    times = (values.timestamp_or_none(record.get(name)) for name in _TIMES)
    return next((each for each in times if each is not None), None)


def _texts(record: dict[str, Any], when: float | None, depth: int) -> Texts:
    if (at := time_of(record)) is not None:
        when = at
    for name in WRAPPERS:
        value = record.get(name)
        if isinstance(value, str) and value:
            text = value.encode("utf-8", "replace")
            return [(each, when if at is None else at) for each, at in texts(text)] or [(text, when)]
        if isinstance(value, list) and value and all(type(each) is int and 0 <= each <= 255 for each in value):  # noqa: PLR2004  # as the journal writes what is no UTF-8
            return [(bytes(value), when)]
        several = [value] if isinstance(value, dict) else value if isinstance(value, list) else []
        inner = [each for each in several[:_MOST] if isinstance(each, dict)] if depth < _DEEPEST else []
        if found := [text for each in inner for text in _texts(each, when, depth + 1)]:
            return found
    return []
