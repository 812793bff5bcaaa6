"""What comes from the network cannot act on a terminal or in a spreadsheet."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cobalt_tasks.views.exports.cells import Guard
from cobalt_tasks.views.text import ago, iso, printable, quick_iso


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


STARTS = tuple("=+-@＝＋－＠﹦﹢﹣﹫")
PIECES = st.text(
    st.sampled_from(["=", "+", "-", "@", "＝", ";", ",", "\t", "|", ":", " ", '"', "'", "\n", "\r", "a", "1"])
)


@given(st.one_of(st.text(), PIECES), st.sampled_from(",;|\t!"))
def test_no_cell_is_a_formula_whatever_the_separator(text: str, written_with: str) -> None:
    """However a spreadsheet splits the line, with quotes or without, no cell starts as a formula does.

    A dash alone between blanks is none. Break: guard only the start of a text in views/exports/cells.py.
    """
    output = io.StringIO()
    row = ["192.0.2.1", *Guard(written_with).cells([text, None]), "end"]
    csv.writer(output, lineterminator="\n", delimiter=written_with).writerow(row)
    line = output.getvalue().removesuffix("\n")
    assert line.splitlines() == [line]
    for separator in {*",;|:\t ", written_with}:
        read = [cell for row in csv.reader([line], delimiter=separator) for cell in row]
        for cell in (*read, *line.split(separator)):
            start = cell.lstrip(" \"'") if separator != " " else cell.lstrip("\"'")
            quoted = cell.lstrip(' "').startswith("'")
            assert quoted or not start.startswith(STARTS) or (separator == " " and len(start) == 1)


@pytest.mark.parametrize("text", ["a;=1+1", 'a;"=1+1', "a; =1+1", "a|@SUM(A1)", "＝1", "x =cmd()", "a!+1"])
def test_formulas_inside_of_a_text_are_guarded(text: str) -> None:
    """An apostrophe stands in front of the character that would start a formula. Break: `SEPARATORS` in cells.py."""
    cell = Guard("!").cell(text)
    assert re.search(r"'[=+\-@＝]", cell)
    assert cell.replace("'", "") == text


def test_harmless_text_stays() -> None:
    """Names, addresses and sentences are cells as they are, also together with a formula in the same column."""
    texts = ["host-1.example.com", "2001:db8::1", "Foo - Bar GmbH", "a=b", "user@example.com", "C++"]
    assert list(Guard().cells(texts)) == texts
    assert list(Guard().cells([*texts, "=1"])) == [*texts, "'=1"]


@given(st.floats(allow_nan=True) | st.floats(0, 4e9))
def test_quick_iso_is_iso(moment: float) -> None:
    """The quick way has the same result, to a millisecond."""
    quick, slow = quick_iso(moment), iso(moment)
    if quick != slow and quick is not None and slow is not None:
        assert abs(datetime.fromisoformat(quick) - datetime.fromisoformat(slow)) <= timedelta(milliseconds=1)


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
