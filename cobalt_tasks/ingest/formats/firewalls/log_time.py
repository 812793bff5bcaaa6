"""The time at the start of a line of syslog."""

import re
from datetime import UTC, datetime
from typing import Final

from cobalt_tasks.ingest.values import LATEST

_ISO: Final = re.compile(r"(?:<\d+>\d? ?|\[)?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?)")
_BRACKET: Final = re.compile(r"\[(?:[A-Z][a-z]{2} )?([A-Z][a-z]{2}) +(\d{1,2}) (\d\d:\d\d:\d\d) (\d{4})\]")
"""As `dmesg -T` writes it."""

_OLD: Final = re.compile(r"(?:<\d+>)?([A-Z][a-z]{2}) +(\d{1,2}) (?:(\d{4}) )?(\d\d):(\d\d):(\d\d)")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAY: Final = 86400.0
_YEARS: Final = (0, 1)


def time_of(line: str, arrived_at: float) -> float | None:
    """Return when a line was written, in epoch seconds; None if it has no time, or none since 1970.

    line: the line; arrived_at: epoch seconds.
    """
    when = _time_of(line, arrived_at)
    return when if when is not None and 0 <= when <= LATEST else None


def without_time(line: str) -> str:
    """Return what stands behind the time of a line; the line itself when it starts with none."""
    found = _ISO.match(line) or _BRACKET.match(line) or _OLD.match(line)
    return line[found.end() :] if found else line


def _time_of(line: str, arrived_at: float) -> float | None:
    """Return when a line was written, in epoch seconds; None if it has no time.

    line: the line, which may start with a priority; arrived_at: epoch seconds: the old form has no year, and its times are
    of the year before that.
    """
    try:
        if found := _ISO.match(line):
            text = re.sub(r"([+-]\d\d)(\d\d)$", r"\1:\2", found[1].replace(",", "."))
            return datetime.fromisoformat(text).timestamp()
        if found := _BRACKET.match(line):
            month, day, clock, year = found.groups()
            return datetime.strptime(f"{year} {month} {day} {clock}", "%Y %b %d %H:%M:%S").timestamp()  # noqa: DTZ007  # local time
        if (old := _OLD.match(line)) and old[1] in _MONTHS:
            month = _MONTHS.index(old[1]) + 1
            day, hour, minute, second = (int(old[each]) for each in (2, 4, 5, 6))
            year = int(old[3] or datetime.fromtimestamp(arrived_at, UTC).year)
            for back in _YEARS:
                when = datetime(year - back, month, day, hour, minute, second).timestamp()  # noqa: DTZ001  # syslog writes local time
                if when <= arrived_at + _DAY:
                    return when
    except (ValueError, OverflowError, OSError):
        return None
    return None
