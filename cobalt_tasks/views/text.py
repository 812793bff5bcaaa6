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


def iso(moment: float | None) -> str | None:
    """Return epoch seconds as ISO 8601 in UTC, to the millisecond; out of the calendar's range, as they are."""
    if moment is None:
        return None
    try:
        return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return str(moment)


def ago(seconds: float | None) -> str:
    """Return a length of time for people: `3 s`, `12 min`, `5 h`, `9 d`; a dash for none."""
    if seconds is None:
        return "–"
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
