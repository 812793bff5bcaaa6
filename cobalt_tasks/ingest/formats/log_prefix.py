"""What stands before each line of a log: colours, a service of Docker or Kubernetes, a time, the host and program of syslog."""

import re
from collections.abc import Sequence
from typing import Final

from cobalt_tasks.ingest.formats.firewalls.log_time import time_of
from cobalt_tasks.ingest.values import is_address

_COLOUR: Final = re.compile(rb"\x1b\[[0-9;]*[A-Za-z]")
_SERVICE: Final = re.compile(rb"(?:([\w.@-]{1,256})(  +| )\|(?: |$)|\[pod/[^\]\s]{1,512}\] )").match
"""`sensor-1  | ` of `docker compose logs`, `[pod/sensor-x/zeek] ` of `kubectl logs --prefix`."""

_is_numbered: Final = re.compile(rb".*[_.-]\d|.*@").match
_STAMP: Final = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}(?:Z|[+-]\d\d:\d\d) (?:std(?:out|err) [FP] )?").match
"""What `docker logs -t` and Kubernetes write before a line."""

_TIME: Final = re.compile(
    rb"(?:<\d{1,3}>(1 )?)?(?:"
    rb"\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d| UTC)?\]?"
    rb"|\[?[A-Z][a-z]{2} [ \d]\d (?:\d{4} )?\d\d:\d\d:\d\d(?:\.\d{1,9})?\]?"
    rb"|\[?\d\d:\d\d:\d\d(?:\.\d{1,9})?\]?)[ \t]"
).match
"""What syslog, the journal and `ts` write before a line."""

_TAG: Final = re.compile(rb"(\S{1,255}) [\w./@()-]{1,64}(?:\[\d+\])?: ?").match
_NEW_TAG: Final = re.compile(rb"\S+ \S+ \S+ \S+ (?:-|(?:\[[^\]]*\])+) ?(?:\xef\xbb\xbf)?").match
"""Host, program, process, message and data of RFC 5424."""

_NO_LINE: Final = re.compile(rb"-- .* --$|Attaching to [\w.@-]+(?:, |$)").match
"""What `journalctl` and `docker compose` print for themselves."""

_FIRST: Final = 8
"""Lines that show which prefix each line has."""

_FIRST_BYTES: Final = 16 * 1024


class Prefix:
    """The prefix of the lines of a text, as its first lines show it.

    Attributes:
        is_there: whether there is one.

    """

    def __init__(self, data: bytes, *, keeps_times: bool) -> None:
        """Learn it from the first lines.

        data: the lines; keeps_times: whether a time of syslog is a part of the line, for a format that reads it.
        """
        lines = [line for line in data[:_FIRST_BYTES].split(b"\n", _FIRST)[:_FIRST] if line.strip()]
        self._has_colours = b"\x1b[" in data
        first = [text for line in lines if not _NO_LINE(text := self._plain(line))]
        self._has_service = _have_service(first)
        first = [self._without_service(line) for line in first]
        has_stamp = any(map(_STAMP, first))
        first = [_without_stamp(line) for line in first]
        times = [_TIME(line) for line in first]
        self._has_time = not keeps_times and bool(times) and all(times)
        tags = [_TAG(line, found.end()) for line, found in zip(first, times, strict=True) if found]
        hosts = {found[1] if found else None for found in tags}
        self._host = hosts.pop() if len(hosts) == 1 else None
        has_others = len(first) < len(lines)
        self.is_there = self._has_colours or self._has_service or has_stamp or self._has_time or has_others

    def cut(self, line: bytes, arrived_at: float) -> tuple[bytes, float | None]:
        """Return a line without its prefix, and when it was written, None if that is not known; the same object without one.

        line: the line; arrived_at: epoch seconds.
        """
        if not self.is_there:
            return line, None
        text = self._plain(line)
        if _NO_LINE(text):
            return b"", None
        text = self._without_service(text)
        rest = _without_stamp(text)
        when = time_of(text[:64].decode("latin-1"), arrived_at) if rest is not text else None
        if self._has_time and (found := _TIME(rest)):
            when = time_of(rest[: found.end()].decode("latin-1"), arrived_at) or when
            rest = rest[found.end() :]
            tag = _NEW_TAG(rest) if found[1] else _TAG(rest) if self._host and rest.startswith(self._host) else None
            rest = rest[tag.end() :] if tag else rest
        return rest, when

    def _plain(self, line: bytes) -> bytes:
        return _COLOUR.sub(b"", line) if self._has_colours and b"\x1b[" in line else line

    def _without_service(self, line: bytes) -> bytes:
        found = _SERVICE(line) if self._has_service else None
        return line[found.end() :] if found else line


def _have_service(lines: Sequence[bytes]) -> bool:
    """Return whether each of the lines starts with a service; a table may have the same line between its columns."""
    found = [_SERVICE(line) for line in lines]
    names = {each[1] for each in found if each}
    if not found or not all(found) or any(name and is_address(name.decode("utf-8", "replace")) for name in names):
        return False
    is_aligned = len(names) == 1 and all(each and (each[1] is None or len(each[2]) > 1) for each in found)
    return is_aligned or all(name is None or _is_numbered(name) for name in names)


def _without_stamp(line: bytes) -> bytes:
    found = _STAMP(line)
    return line[found.end() :] if found else line
