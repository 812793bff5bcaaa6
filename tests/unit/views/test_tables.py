"""Tables on a terminal and in a pipe."""

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from cobalt_tasks.views import documents
from cobalt_tasks.views.tables import Cell, Column, Output, drawn
from cobalt_tasks.views.text import printable

ADDRESS = "2001:db8:1234:5678:9abc:def0:1234:5678"
COLUMNS = (Column("Address", cut=False), Column("Risk", cut=False, right=True), Column("Place"), Column("Names"))
HOSTILE = "a\tb\nc\x1b]0;owned\x07\u202ed\x00"


class Terminal(io.StringIO):
    """Standard output that is a terminal."""

    def isatty(self) -> bool:
        """It is one."""
        return True


@given(st.text(), st.text(), st.integers(60, 200))
def test_a_table_fits_and_cuts_no_address(place: str, names: str, width: int) -> None:
    """Whatever the cells hold, each row is one line that fits the width, and has the whole address."""
    lines = drawn(COLUMNS, [(ADDRESS, "0.50", place * 20, names * 20), (ADDRESS, None, "界" * 300, "")], width)
    assert len(lines) == 3
    for line in lines:
        assert cell_len(line.plain) <= width
        assert line.plain.isprintable()
    assert all(line.plain.startswith(f"{ADDRESS}  ") for line in lines[1:])
    assert "…" in lines[2].plain


def test_what_may_not_be_cut_is_whole_on_a_narrow_terminal() -> None:
    """Below any sensible width an address is still whole: a line that is too long is better than a wrong one."""
    (head, line) = drawn(COLUMNS, [(ADDRESS, "0.50", "Amsterdam, Netherlands", "www.example.com")], 20)
    assert line.plain == ADDRESS
    assert head.plain.endswith("…"), "there are more columns"


@given(st.integers(20, 120), st.integers(0, 10**9))
def test_columns_that_do_not_fit_are_left_out(width: int, number: int) -> None:
    """Each line fits, a number is whole or not there at all, and the head shows that columns are missing.

    Break: cut the columns of numbers as well, or keep all of them.
    """
    columns = (
        Column("queue"),
        *(Column(name, right=True) for name in ("waiting", "running", "done", "failed", "dead")),
    )
    head, row = (line.plain for line in drawn(columns, [("geolocation", *[number] * 5)], width))
    assert cell_len(head) <= width
    assert cell_len(row) <= width
    numbers = row.split()[1:]
    assert set(numbers) <= {f"{number:,}"}
    assert (len(numbers) < 5) == head.endswith("…")


@given(st.text(max_size=300), st.integers(20, 120))
def test_a_fact_is_whole_on_any_terminal(value: str, width: int) -> None:
    """A value that is too long is broken between words, and each line fits; where one line is wanted, it ends with ….

    Break: cut it.
    """
    for whole in (None, ["one"]):
        output, kept = Output.held(width, 24)
        output.facts([("known", value), ("one", 1)], whole=whole)
        lines = re.sub(r"\x1b\[[0-9;]*m", "", kept.getvalue()).rstrip("\n").split("\n")
        assert all(cell_len(line) <= width for line in lines)
        assert lines[-1] == "one    1"
        if whole:
            assert len(lines) == 2
        else:
            shown = "".join(line[7:] for line in lines[:-1])
            assert "".join(shown.split()) == "".join(printable(value).split())


def test_a_pipe_gets_tab_separated_values(capsys: pytest.CaptureFixture[str]) -> None:
    """A header, then a line for each row: whole, without colours, hostile characters escaped, numbers as numbers."""
    output = Output()
    output.table(
        COLUMNS, [(ADDRESS, Cell(1234567, "red", "1,234,567"), HOSTILE, "x" * 3000), (ADDRESS, None, True, "")]
    )
    lines = capsys.readouterr().out.split("\n")
    assert lines[0] == "address\trisk\tplace\tnames"
    assert lines[1].split("\t") == [ADDRESS, "1234567", r"a\tb\nc\x1b]0;owned\x07\u202ed\x00", "x" * 3000]
    assert lines[2:] == [f"{ADDRESS}\t\ttrue\t", ""]


@pytest.mark.parametrize("variable", ["NO_COLOR", None])
def test_colours_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch, variable: str | None) -> None:
    """On a terminal there are colours, with NO_COLOR no escape sequence at all; neither lets a value's own through."""
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if variable:
        monkeypatch.setenv(variable, "1")
    output = Output()
    output.line(HOSTILE, "bold red")
    output.table(COLUMNS, [(ADDRESS, Cell(1, "red"), HOSTILE, HOSTILE)])
    assert ("\x1b[" in terminal.getvalue()) == (variable is None)
    assert "\x1b]0" not in terminal.getvalue()
    assert "\u202e" not in terminal.getvalue()


def test_times_are_text_and_all_else_is_as_it_was() -> None:
    """Every field that is a point in time becomes ISO 8601 in UTC, at any depth; others keep their value."""
    document = {"at": 0, "rows": [{"last_seen": 1.5, "closed_since": None, "score": 0.5, "seen_in_traffic": True}]}
    assert documents.readable(document) == {
        "at": "1970-01-01T00:00:00.000Z",
        "rows": [
            {"last_seen": "1970-01-01T00:00:01.500Z", "closed_since": None, "score": 0.5, "seen_in_traffic": True}
        ],
    }
