"""Whole tables as CSV or NDJSON, streamed. A new format is one line in `FORMATS`.

A spreadsheet takes a cell that starts with `=`, `+`, `-`, `@`, a tab, a line break or a full-width form of these for a
formula (OWASP, CSV Injection). Text of that sort gets an apostrophe in front in CSV, which spreadsheets do not show;
numbers are left as they are. NDJSON holds the text unchanged.
"""

import csv
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any

import msgspec

from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts.exports import TABLES, TableRows, stream
from cobalt_tasks.hosts.search.find import Search
from cobalt_tasks.views.text import iso, printable

__all__ = ["FORMATS", "TABLES", "export"]

_FORMULA = tuple("=+-@\t\r\n＝＋－＠")


def export(database: Database, table: str, form: str, output: IO[str], search: Search | None = None) -> int:
    """Write a table, or the rows of it that match; return their number. Memory does not grow with the table.

    Args:
        database: the ledger.
        table: one of `TABLES`.
        form: one of `FORMATS`.
        output: where to write.
        search: only the rows that match; its target is the table. None: all rows.

    Raises:
        DatabaseUnavailableError: the database does not answer.

    """
    return FORMATS[form](stream(database, table, search), output)


def _csv(source: TableRows, output: IO[str]) -> int:
    writer = csv.writer(output, lineterminator="\n")
    writer.writerow(source.columns)
    written = 0
    for row in _with_iso_times(source):
        writer.writerow([_cell(row[name]) for name in source.columns])
        written += 1
    return written


def _ndjson(source: TableRows, output: IO[str]) -> int:
    encode = msgspec.json.Encoder().encode
    written = 0
    for row in _with_iso_times(source):
        output.write(encode(row).decode() + "\n")
        written += 1
    return written


FORMATS: dict[str, Callable[[TableRows, IO[str]], int]] = {
    "csv": _csv,
    "ndjson": _ndjson,
}
"""Name → what writes it."""


def _with_iso_times(source: TableRows) -> Iterator[dict[str, Any]]:
    for row in source.rows:
        for name in source.times:
            row[name] = iso(row[name])
        yield row


def _cell(value: object) -> object:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return value
        case list():
            return _text(" ".join(map(str, _flat(value))))
        case _:
            return _text(str(value))


def _flat(values: Iterable[object]) -> Iterator[object]:
    return (str(value).replace(" ", "\\x20") for value in values)


def _text(value: str) -> str:
    safe = printable(value, keep="\n\t")
    return "'" + safe if value.startswith(_FORMULA) else safe
