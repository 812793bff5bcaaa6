"""Quiet hours, over midnight and over the days on which clocks change."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from cobalt_tasks.alerts import quiet

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> float:
    """A time in Berlin, or with an offset of its own, in epoch seconds."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=BERLIN)).timestamp()


@pytest.mark.parametrize(
    ("hours", "ready", "sent"),
    [
        ("22:00-07:00", "2026-11-27T21:59", "2026-11-27T21:59"),
        ("22:00-07:00", "2026-11-27T22:00", "2026-11-28T07:00"),
        ("22:00-07:00", "2026-11-28T03:00", "2026-11-28T07:00"),
        ("22:00-07:00", "2026-11-28T07:00", "2026-11-28T07:00"),
        ("12:00-13:30", "2026-11-27T13:00", "2026-11-27T13:30"),
        ("12:00-13:30", "2026-11-27T11:00", "2026-11-27T11:00"),
        # The night on which clocks go forward has an hour less, and the one on which they go back an hour more.
        ("22:00-07:00", "2026-03-28T23:00+01:00", "2026-03-29T07:00+02:00"),
        ("22:00-07:00", "2026-10-24T23:00+02:00", "2026-10-25T07:00+01:00"),
        ("22:00-07:00", "2026-10-25T02:30+01:00", "2026-10-25T07:00+01:00"),
        # An end that is left out on that night.
        ("22:00-02:30", "2026-03-29T01:00+01:00", "2026-03-29T03:30+02:00"),
    ],
)
def test_a_message_waits_until_the_quiet_hours_end(hours: str, ready: str, sent: str) -> None:
    """A message that is ready in the quiet hours is sent at their end, any other at once."""
    assert quiet.read(hours, BERLIN).end_after(at(ready)) == at(sent)


@pytest.mark.parametrize("wrong", ["", "22:00", "22:00-", "22:00-22:00", "25:00-07:00", "22:00-07:00+01:00", "a-b"])
def test_what_is_no_part_of_a_day(wrong: str) -> None:
    """Anything else is refused."""
    with pytest.raises(ValueError):  # noqa: PT011  # whichever part is wrong
        quiet.read(wrong, BERLIN)
