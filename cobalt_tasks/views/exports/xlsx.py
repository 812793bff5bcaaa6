"""Excel workbooks: text stays text, never a formula or a link; rows beyond what a sheet holds are on further sheets."""

import math
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import xlsxwriter
from xlsxwriter.exceptions import FileCreateError

from cobalt_tasks.hosts.exports import ColumnKind, ExportColumn, TableRows
from cobalt_tasks.hosts.exports.columns import shown_bytes
from cobalt_tasks.views.exports.cells import joined
from cobalt_tasks.views.exports.options import ExportOptions
from cobalt_tasks.views.text import iso, printable

SHEET_ROWS: Final = 1_048_576
"""Rows of a sheet, with its header."""

_CELL: Final = 32_767
"""UTF-16 units that a cell holds."""
_OPTIONS: Final = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
    "default_date_format": "yyyy-mm-dd hh:mm:ss",
    "remove_timezone": True,
}
_PIECE: Final = 1 << 20
_FIRST_DAY: Final = datetime(1900, 3, 1, tzinfo=UTC).timestamp()
_LAST_DAY: Final = datetime(9999, 12, 31, tzinfo=UTC).timestamp()


def chunks(source: TableRows, _options: ExportOptions) -> Iterator[bytes]:
    """Yield the workbook, which is there when all rows were read. source: these."""
    with tempfile.TemporaryDirectory(prefix="cobalt-export-") as folder:
        file = Path(folder) / "export.xlsx"
        # Columns are written in the end, rows when they come.
        book = xlsxwriter.Workbook(file, {**_OPTIONS, "tmpdir": folder})
        book.use_zip64()
        _fill(book, source)
        try:
            book.close()
        except FileCreateError as error:
            # What the system reported, as for every other format.
            raise error.args[0] from None
        with file.open("rb") as whole:
            while piece := whole.read(_PIECE):
                yield piece


def _fill(book: Any, source: TableRows) -> None:
    """Write the sheets of a `book`: the rows of `source`."""
    cells = [_writer(column) for column in source.columns]
    sheet, line, sheets = None, SHEET_ROWS, 0
    for page in source.pages():
        for row in zip(*page, strict=True):
            if line == SHEET_ROWS:
                sheets += 1
                sheet, line = _sheet(book, source, sheets), 1
            for place, (write, value) in enumerate(zip(cells, row, strict=True)):
                if value is not None:
                    write(sheet, line, place, value)
            line += 1
    if sheet is None:
        _sheet(book, source, 1)


def _sheet(book: Any, source: TableRows, number: int) -> Any:
    """Add sheet `number` of the export of `source` to a `book`, with its header."""
    sheet = book.add_worksheet(source.table if number == 1 else f"{source.table} {number}")
    bold = book.add_format({"bold": True})
    sheet.freeze_panes(1, 0)
    for place, column in enumerate(source.columns):
        sheet.set_column(place, place, 22 if column.kind is ColumnKind.TIME else 16)
        sheet.write_string(0, place, column.name, bold)
    return sheet


def _writer(column: ExportColumn) -> Callable[[Any, int, int, Any], None]:
    """Return what writes a value of a column into a cell: of a sheet, a row, a column."""
    match column.kind:
        case ColumnKind.TIME:
            return _write_time
        case ColumnKind.FLAG:
            return lambda sheet, row, place, value: sheet.write_boolean(row, place, value)
        case ColumnKind.INTEGER | ColumnKind.NUMBER:
            return _write_number
        case ColumnKind.TEXTS | ColumnKind.INTEGERS:
            return lambda sheet, row, place, values: _write_text(sheet, row, place, joined(values))
        case ColumnKind.DER | ColumnKind.PEM:
            shown = shown_bytes(column.kind)
            return lambda sheet, row, place, der: _write_text(sheet, row, place, shown(der))
        case _:
            return _write_text


def _write_time(sheet: Any, row: int, place: int, moment: float) -> None:
    """Write epoch `moment` into the cell at `row` and `place` of a `sheet`: as a date where Excel has one."""
    if _FIRST_DAY <= moment <= _LAST_DAY:
        sheet.write_datetime(row, place, datetime.fromtimestamp(moment, UTC))
    else:
        _write_text(sheet, row, place, iso(moment) or "")


def _write_number(sheet: Any, row: int, place: int, number: float) -> None:
    """Write a `number` into the cell at `row` and `place` of a `sheet`; Excel knows no infinite one."""
    if math.isfinite(number):
        sheet.write_number(row, place, number)
    else:
        sheet.write_string(row, place, str(number))


def _write_text(sheet: Any, row: int, place: int, text: str) -> None:
    """Write as much of a `text` as a cell holds into the one at `row` and `place` of a `sheet`."""
    shown = text if text.isprintable() else printable(text, keep="\n\t")
    if len(shown) * 2 > _CELL:
        shown = shown.encode("utf-16-le")[: 2 * _CELL].decode("utf-16-le", "ignore")
    if shown:
        sheet.write_string(row, place, shown)
