"""What comes from the network cannot act on a terminal or in a spreadsheet."""

import csv
import io
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cobalt_tasks.views.export import _cell
from cobalt_tasks.views.text import ago, iso, printable


@given(st.text())
def test_printable_is_printable(text: str) -> None:
    """Whatever goes in, nothing unprintable comes out, and printable text is left as it is.

    Invariant 9 of docs/architecture.md, on a terminal. Break: `isprintable` in views/text.py.
    """
    shown = printable(text)
    assert shown.isprintable()
    if text.isprintable():
        assert shown == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("a\u202eb", "a\\u202eb"),
        ("\ud800", "\\ud800"),
        ("\x9b1m", "\\x9b1m"),
        ("é–漢", "é–漢"),
    ],
)
def test_printable_forms(text: str, shown: str) -> None:
    """Escape sequences, direction marks and lone surrogates become their escapes; letters stay."""
    assert printable(text) == shown


@given(st.one_of(st.text(), st.lists(st.text()), st.integers(), st.floats(), st.booleans(), st.none()))
def test_no_cell_is_a_formula(value: object) -> None:
    """No text in CSV begins as a formula does, also after a CSV reader has read it; numbers stay numbers."""
    output = io.StringIO()
    csv.writer(output, lineterminator="\n").writerow([_cell(value), "end"])
    read = next(csv.reader(io.StringIO(output.getvalue(), newline="")))
    assert read[1] == "end"
    if isinstance(value, bool) or not isinstance(value, int | float):
        assert not read[0].startswith(tuple("=+-@\t\r\n＝＋－＠"))
    else:
        assert read[0] == str(value)


@given(st.floats(allow_nan=True))
def test_iso_never_fails(moment: float) -> None:
    """Any number is a moment or is printed as it is."""
    assert iso(moment)


def test_iso_is_utc_to_the_millisecond() -> None:
    """A moment is written in UTC with a Z, and reads back."""
    assert iso(1760000000.1234) == "2025-10-09T08:53:20.123Z"
    assert datetime.fromisoformat(str(iso(0.0))) == datetime.fromtimestamp(0, UTC)


@pytest.mark.parametrize(
    ("seconds", "words"), [(None, "–"), (0.4, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (172800, "2 d")]
)
def test_ago(seconds: float | None, words: str) -> None:
    """Lengths of time are told in the unit people would use."""
    assert ago(seconds) == words
