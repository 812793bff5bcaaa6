"""Tables: for people on a terminal, fitted to its width; as tab-separated values with a header everywhere else."""

import io
import sys
from collections.abc import Collection, Iterable, Sequence
from itertools import accumulate
from typing import IO, Final, NamedTuple, Self

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from cobalt_tasks.views.text import printable

_GAP: Final = "  "
_MORE: Final = "…"
_LEAST: Final = 4
"""Columns that are cut keep so many characters, if they have them."""

_LONGEST: Final = 1000
"""Characters of a cell that are looked at on a terminal: more fit on none."""


class Column(NamedTuple):
    """One column of a table. `cut`: False for what is of no use when a part is missing, such as an address.

    `right`: of numbers, which are never cut.
    """

    name: str
    cut: bool = True
    right: bool = False

    def least(self, needed: int) -> int:
        """Return the fewest characters of it that are of use; `needed`: those of its widest cell."""
        return min(needed, _LEAST) if self.cut and not self.right else needed


class Cell(NamedTuple):
    """A value with a style of Rich, and how a terminal shows it, if that differs from the value itself."""

    value: object
    style: str = ""
    shown: str | None = None


Row = Sequence[object]


class Output:
    """Standard output, either a terminal of some width or a pipe or file."""

    def __init__(self) -> None:
        """Use standard output. Characters that it cannot show are escaped."""
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")
        self.is_terminal = sys.stdout.isatty()
        self._use(_console(None))

    def _use(self, found: Console) -> None:
        self._console, self.width, self.height = found, found.width, found.height

    @classmethod
    def held(cls, width: int, height: int) -> tuple[Self, io.StringIO]:
        """Return an output for a terminal whose text is kept, and the text. width, height: in characters and lines."""
        made, kept = cls(), io.StringIO()
        made.is_terminal = True
        made._use(_console(kept))  # of this class
        made.width, made.height = width, height
        return made, kept

    def note(self, text: object) -> None:
        """Print words for a person: on a terminal among the rest, else on standard error, where no program reads rows."""
        if self.is_terminal:
            self.words(text)
        else:
            sys.stderr.write(printable(text) + "\n")

    def line(self, text: object = "", style: str = "") -> None:
        """Print one line. `text`: control characters in it are escaped; style: of Rich, for a terminal."""
        shown = printable(text)
        if self.is_terminal:
            shown = fitted(shown, self.width)
        self._console.print(Text(shown, style=style), soft_wrap=True)

    def words(self, text: object, style: str = "") -> None:
        """Print sentences, on a terminal broken between words, elsewhere one line. text: what to print; style: of Rich."""
        shown = Text(printable(text), style=style)
        self._console.print(shown, soft_wrap=not self.is_terminal)

    def table(self, columns: Sequence[Column], rows: Iterable[Row], indent: str = "") -> None:
        """Print rows, each of one line, below the names of the columns.

        Args:
            columns: their names, and what may be cut.
            rows: as many values or cells as there are columns; None is an empty cell.
            indent: on a terminal, what stands before each line.

        """
        if self.is_terminal:
            for line in drawn(columns, list(rows), self.width - len(indent)):
                self._console.print(Text(indent).append_text(line), soft_wrap=True)
            return
        self._tsv([column.name.lower() for column in columns])
        for row in rows:
            self._tsv(row)

    def listing(self, columns: Sequence[Column], rows: Sequence[Row], note: object) -> None:
        """Print a list as a table; without rows a note, on a terminal in place of the table.

        Args:
            columns: as for `table`.
            rows: as for `table`.
            note: why there are none, in words.

        """
        if rows or not self.is_terminal:
            self.table(columns, rows)
        if not rows:
            self.note(note)

    def facts(
        self, pairs: Iterable[tuple[str, object]], indent: str = "", *, whole: Collection[str] | None = None
    ) -> None:
        """Print names and values; on a terminal values are broken between words, or cut to one line each.

        pairs: the names and values; indent: on a terminal, what stands before each line; whole: the names of those that
        are not cut, None for all.
        """
        known = list(pairs)
        if not self.is_terminal:
            for pair in known:
                self._tsv(pair)
            return
        width = max((len(name) for name, _ in known), default=0)
        for name, value in known:
            start = f"{indent}{name:{width}}{_GAP}"
            shown, room = _shown(value), max(1, self.width - len(start))
            is_cut = whole is not None and name not in whole
            parts = [Text(fitted(shown.plain, room), shown.style)] if is_cut else shown.wrap(self._console, room)
            for part in parts:
                part.rstrip()
                self._console.print(Text(start, style="dim").append_text(part), soft_wrap=True)
                start = " " * len(start)

    def _tsv(self, row: Row) -> None:
        cells = (each.value if isinstance(each, Cell) else each for each in row)
        # A line for programs: as it is, whatever its length.
        sys.stdout.write("\t".join(_plain(cell) for cell in cells) + "\n")


def _console(file: IO[str] | None) -> Console:
    """Return a console: without colours there is nothing else either, no bold and no dim."""
    found = Console(file=file, highlight=False, emoji=False, markup=False, force_terminal=file is not None or None)
    is_plain = found.no_color or (file is None and not sys.stdout.isatty())
    return Console(file=file, highlight=False, emoji=False, markup=False, color_system=None) if is_plain else found


def drawn(columns: Sequence[Column], rows: Sequence[Row], width: int) -> list[Text]:
    """Return the lines of a table: at most as wide as the terminal, cut with …, if only what may be cut is too wide.

    Where that is not enough, the last columns are left out, and … stands behind the names of the others.

    Args:
        columns: their names, and what may be cut.
        rows: values or cells.
        width: of the terminal, in characters.

    """
    head = [Text(column.name, style="dim") for column in columns]
    cells = [head, *([_shown(cell) for cell in row] for row in rows)]
    needed = [max(cell.cell_len for cell in column) for column in zip(*cells, strict=True)]
    count = _fitting(columns, needed, width)
    if count < len(columns):
        columns, needed, cells = columns[:count], needed[:count], [row[:count] for row in cells]
        width -= cell_len(_GAP + _MORE)
    widths = _widths(columns, needed, width - len(_GAP) * (count - 1))
    lines = []
    for row in cells:
        fitting = [_padded(*each) for each in zip(row, columns, widths, strict=True)]
        line = Text(_GAP).join(fitting)
        line.rstrip()
        lines.append(line)
    if count < len(head):
        lines[0].append(_GAP + _MORE, style="dim")
    return lines


def _fitting(columns: Sequence[Column], needed: Sequence[int], width: int) -> int:
    """Return how many of `columns` fit into `width` characters; needed: the width of the widest cell of each column."""
    least = [column.least(each) for column, each in zip(columns, needed, strict=True)]
    if sum(least) + len(_GAP) * (len(least) - 1) <= width:
        return len(least)
    room = width - cell_len(_GAP + _MORE)
    return max(1, sum(total + len(_GAP) * place <= room for place, total in enumerate(accumulate(least))))


def _widths(columns: Sequence[Column], needed: Sequence[int], room: int) -> list[int]:
    """Return the widths of `columns` in `room` characters: the widest that may be cut are cut first, none below a few.

    needed: the width of the widest cell of each column.
    """
    widths = list(needed)
    cuttable = [number for number, column in enumerate(columns) if column.least(widths[number]) < widths[number]]
    excess = sum(widths) - room
    while excess > 0 and cuttable:
        widest = max(cuttable, key=lambda number: widths[number])
        others = sorted({widths[number] for number in cuttable}, reverse=True)
        lower = max(_LEAST, others[1] if len(others) > 1 else _LEAST)
        same = [number for number in cuttable if widths[number] == widths[widest]]
        each = max(1, min(widths[widest] - lower, excess // len(same)))
        for number in same[: max(1, excess)]:
            widths[number] -= each
            excess -= each
        cuttable = [number for number in cuttable if widths[number] > _LEAST]
    return widths


def _padded(cell: Text, column: Column, width: int) -> Text:
    style, plain = cell.style, fitted(cell.plain, width) if column.cut else cell.plain
    space = " " * max(0, width - cell_len(plain))
    return Text(f"{space}{plain}" if column.right else f"{plain}{space}", style=style)


def fitted(text: str, width: int) -> str:
    """Return `text` in at most `width` columns of a terminal: what is longer ends with …."""
    if len(text) <= width and text.isascii():
        return text
    return text if cell_len(text) <= width else set_cell_size(text, max(0, width - 1)).rstrip() + "…"


def _shown(cell: object) -> Text:
    value, style, shown = cell if isinstance(cell, Cell) else (cell, "", None)
    if shown is None:
        shown = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else _plain(value)
    return Text(printable(shown[:_LONGEST]), style=style)


def _plain(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case _:
            return printable(value)
