"""FortiGate: its own log, one event a line: `date=… time=… srcip=192.0.2.1 srcport=50000 dstip=…`."""

import re
from typing import ClassVar, Final

from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.formats.firewalls.events import Events, Pairs
from cobalt_tasks.ingest.formats.nmap.services import local_time

_PAIR: Final = re.compile(r'(?:^|(?<=[\s,>]))(\w+)=("(?:[^"\\]|\\.)*"|[^\s,]*)')
_is_number: Final = re.compile(r"\d{1,9}").fullmatch
_SIGN: Final = re.compile(r"\blogid=\S+ .*\btype=")


class FortiGate(Events):
    """A line of traffic is written when its session ends: it started as long before as it lasted."""

    name: ClassVar = "fortigate"
    family: ClassVar = "fortigate"
    tool: ClassVar = "fortigate"
    summary: ClassVar = "its own log (key=value), as files and syslog have it"

    @classmethod
    def event(cls, text: str) -> tuple[Pairs, Pairs] | None:
        """Return (what the header has: nothing, the event's own pairs) of a line; None for another line."""
        if _SIGN.search(text) is None:
            return None
        pairs = {key: _text(value) for key, value in _PAIR.findall(text)}
        when = _time(pairs)
        if when is not None and pairs.get("type") == "traffic" and _is_number(pairs.get("duration", "")):
            when -= int(pairs["duration"])
        return {}, {**pairs, **({} if when is None else {"start": str(max(when, 0))})}


def _text(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value


def _time(pairs: Pairs) -> float | None:
    """Remove when an event was written, and return it; versions before 6 have local time alone, and perhaps its zone."""
    day, clock, event = (pairs.pop(each, "") for each in ("date", "time", "eventtime"))
    when = values.timestamp_or_none(event or None)
    return local_time(f"{day} {clock}", "%Y-%m-%d %H:%M:%S", pairs.get("tz", "")) if when is None else when
