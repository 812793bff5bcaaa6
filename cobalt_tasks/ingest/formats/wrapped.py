"""What log shippers put around lines and objects: objects of their own, and prefixes with a time, a service or a host.

Docker, Kubernetes, the journal, syslog, Fluentd, Loki, CloudWatch, Elasticsearch, Splunk, `ts` of moreutils.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.formats import json_text
from cobalt_tasks.ingest.formats.json_text import SEPARATORS, UNREADABLE, Record, decode
from cobalt_tasks.ingest.formats.log_prefix import Prefix

_WRAPPERS: Final = (
    *("log", "MESSAGE", "message", "_raw", "_source", "result", "line", "textPayload", "short_message", "logEvents"),
    *("events", "event", "original", "event.original", "full_log", "json", "jsonPayload", "structured"),
)
"""Keys below which they keep the line, or the object, itself."""

_SIGN: Final = re.compile(rb'"(?:%s)"\s*:\s*["\[{]' % b"|".join(map(re.escape, (w.encode() for w in _WRAPPERS)))).search
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
_SHORT: Final = 256

Owns = Callable[[Record], bool]
Texts = list[tuple[bytes, float | None]]


def lines(data: bytes, position: int, batch: Batch, *, keeps_times: bool = False) -> Iterator[tuple[int, bytes]]:
    """Yield (position, line) for each line; instead of one that is wrapped, the lines in it, which have the time of the wrapper.

    data: the lines; position: of the first byte; batch: what they are read into; keeps_times: whether a time before a line
    is a part of it.
    """
    if len(data) <= _SHORT and json_text.is_between(data):
        # The end of an array of wrappers, which came alone.
        return
    prefix = Prefix(data, keeps_times=keeps_times)
    if not prefix.is_there and data[:1] != b"{" and b"\n{" not in data and not _has_objects(data):
        # Most input: its lines cost no more than this.
        for line in data.split(b"\n"):
            yield position, line
            position += len(line) + 1
        return
    for at, line in _pieces(data):
        if inside := _texts(line, prefix, batch.arrived_at):
            for text, when in inside:
                batch.written_at = batch.arrived_at if when is None else min(when, batch.arrived_at)
                for each in text.split(b"\n"):
                    yield position + at, each
            batch.written_at = batch.arrived_at
        else:
            yield position + at, line


def whole(data: bytes) -> int:
    """Return how many bytes from the start are whole lines, of which some may be objects over several lines."""
    return json_text.whole(data) if _has_objects(data) else data.rfind(b"\n") + 1


def plain(sample: bytes, arrived_at: float, *, keeps_times: bool) -> bytes:
    """Return the lines that are wrapped in the lines of a sample; nothing when none is.

    sample: the lines; arrived_at: epoch seconds; keeps_times: as for `lines`.
    """
    prefix = Prefix(sample, keeps_times=keeps_times)
    return b"\n".join(text for _, line in _pieces(sample) for text, _ in _texts(line, prefix, arrived_at))


def time_before(prefix: bytes, arrived_at: float) -> float | None:
    """Return the time in a `prefix` of a line, in epoch seconds, None if it has no time; `arrived_at` is in epoch seconds."""
    return Prefix(prefix, keeps_times=False).cut(prefix, arrived_at)[1] if prefix else None


def objects(record: Record, owns: Owns) -> list[tuple[Record, float | None]]:
    """Return the objects of a format in the object of a log shipper, and when each was written: the record itself where it is none.

    record: the object; owns: whether an object is surely of the format.
    """
    if record.keys().isdisjoint(_WRAPPERS):
        return [(record, None)]
    if found := _find(record, owns, None, 0):
        return found
    inner = ((_object(text[max(text.find(b"{"), 0) :]), when) for text, when in _find(record, None, None, 0))
    return [(each, when) for each, when in inner if each is not None] or [(record, None)]


def _pieces(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (offset, line) for each line; an object over several lines is one, and what stands between objects is none."""
    if not _has_objects(data):
        at = 0
        for line in data.split(b"\n"):
            yield at, line
            at += len(line) + 1
    else:
        for at, line in json_text.lines(data):
            if not json_text.is_between(line):
                text = line.strip(SEPARATORS)
                yield at, text if text.startswith(b"{") else line


def _has_objects(data: bytes) -> bool:
    return data[:_SHORT].lstrip(SEPARATORS).startswith(b"{")


def _texts(line: bytes, prefix: Prefix, arrived_at: float) -> Texts:
    """Return the texts in a line that is the object of a log shipper, or behind a prefix, and when each was written; nothing for another line."""
    text, when = prefix.cut(line, arrived_at)
    inside = _find_in(text, None, when, 0) if text.startswith(b"{") and _SIGN(text) else []
    return inside or ([(text, when)] if text is not line else [])


def _find(record: Record, owns: Owns | None, when: float | None, depth: int) -> list[tuple[Any, float | None]]:
    """Return what the object of a log shipper holds, and when each was written.

    record: the object; owns: whether an object is one that is looked for, None for texts; when: epoch seconds, from what is around
    it; depth: how deep it lies.
    """
    if owns is not None and owns(record):
        return [(record, when)]
    if depth > _DEEPEST or record.keys().isdisjoint(_WRAPPERS):
        return []
    times = (values.timestamp_or_none(record.get(name)) for name in _TIMES)
    when = next((each for each in times if each is not None), when)
    for name in _WRAPPERS:
        value = record.get(name)
        several: list[Any] = value[:_MOST] if isinstance(value, list) else [value]
        if several and all(type(each) is int and 0 <= each <= 255 for each in several):  # noqa: PLR2004  # as the journal writes what is no UTF-8
            several = [bytes(several)]
        if found := [each for one in several for each in _find_in(one, owns, when, depth + 1)]:
            return found
    return []


def _find_in(value: Any, owns: Owns | None, when: float | None, depth: int) -> list[tuple[Any, float | None]]:
    """Return what a value below one of the keys holds; the arguments are those of `_find`."""
    text = value.encode("utf-8", "replace") if isinstance(value, str) else value
    if isinstance(text, bytes) and text:
        # A text may have an object behind a prefix of its own; a line that is looked for may have one in it.
        start = max(text.find(b"{"), 0) if owns else 0
        record = _object(text[start:])
        found = [] if record is None else _find(record, owns, when, depth)
        return found or ([] if owns else [(text, when)])
    return _find(value, owns, when, depth) if isinstance(value, dict) else []


def _object(text: bytes) -> Record | None:
    try:
        return decode(text) if text.startswith(b"{") else None
    except UNREADABLE:
        return None
