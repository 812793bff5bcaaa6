"""Quiet hours: a part of each day, in a time zone, in which no message is sent."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct


class QuietHours(Struct, frozen=True):
    """From `start` to `end` on the clock of `zone`; an end before the start is on the next day."""

    start: time
    end: time
    zone: ZoneInfo

    def end_after(self, moment: float) -> float:
        """Return when a message that is ready at `moment` may be sent, both in epoch seconds: then, or at the end of the quiet hours.

        A day on which clocks change has an hour more or less; where the end falls into the hour that is left out, the quiet
        hours end with it.
        """
        local = datetime.fromtimestamp(moment, self.zone)
        for days in (-1, 0):
            day = local.date() + timedelta(days=days)
            start = datetime.combine(day, self.start, self.zone).timestamp()
            last = day if self.end > self.start else day + timedelta(days=1)
            end = datetime.combine(last, self.end, self.zone).timestamp()
            if start <= moment < end:
                return end
        return moment


def read(text: str, zone: ZoneInfo) -> QuietHours:
    """Return the quiet hours that `text` names, such as 22:00-07:00, in a `zone`.

    Raises:
        ValueError: it is none.

    """
    first, minus, last = text.partition("-")
    if not minus:
        raise ValueError(text)
    start, end = (time.fromisoformat(each.strip()) for each in (first, last))
    if start.tzinfo or end.tzinfo or start == end:
        raise ValueError(text)
    return QuietHours(start, end, zone)


def in_words(moment: float) -> str:
    """Return a time (epoch seconds) to the minute, in UTC."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M UTC")
