"""Bytes from the network on their way to a terminal or a spreadsheet: data, never instructions."""

from datetime import UTC, datetime


def printable(value: object, *, keep: str = "") -> str:
    r"""Return text without characters that move a cursor, turn writing around or are invisible: they become `\x1b` forms.

    value: converted by `str`; keep: characters that stay, such as a line break.
    """
    return "".join(
        character
        if character.isprintable() or character in keep
        else character.encode("unicode_escape", "surrogatepass").decode("ascii")
        for character in str(value)
    )


_MOST_MINUTES = 20_000
_minutes: dict[int, str] = {}
_seconds: list[str] = []


def quick_iso(moment: float | None) -> str | None:
    """Return what `iso` does, in a fifth of the time: for millions of moments."""
    if moment is None:
        return None
    try:
        minute, rest = divmod(round(moment * 1_000_000) // 1000, 60_000)
        return _minutes[minute] + _seconds[rest]
    except (KeyError, IndexError):
        return _remembered(moment, minute)
    except (ValueError, OverflowError):
        return iso(moment)


def _remembered(moment: float, minute: int) -> str | None:
    """Return `moment` as ISO 8601, and keep what all moments of its `minute` have in common."""
    if not _seconds:
        _seconds.extend(f"{rest // 1000:02}.{rest % 1000:03}Z" for rest in range(60_000))
    if len(_minutes) >= _MOST_MINUTES:
        _minutes.clear()
    text = iso(moment)
    if text is not None and text.endswith("Z") and len(text) == len("2026-11-27T08:00:00.000Z"):
        _minutes[minute] = text[: -len("00.000Z")]
    return text


def iso(moment: float | None) -> str | None:
    """Return epoch seconds as ISO 8601 in UTC, to the millisecond; out of the calendar's range, as they are."""
    if moment is None:
        return None
    try:
        return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return str(moment)


def day(moment: float | None) -> str:
    """Return the date of epoch seconds in UTC, '' for None; out of the calendar's range, the seconds."""
    return (iso(moment) or "").partition("T")[0]


def ago(seconds: float | None) -> str:
    """Return a length of time for people: `3 s`, `12 min`, `5 h`, `9 d`; a dash for none."""
    if seconds is None:
        return "–"
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
