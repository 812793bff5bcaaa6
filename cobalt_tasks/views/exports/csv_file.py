"""CSV (RFC 4180) for spreadsheets and programs: one line a row."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from cobalt_tasks.hosts.exports import ColumnKind, TableRows
from cobalt_tasks.hosts.exports.columns import shown_bytes
from cobalt_tasks.views.exports.cells import Guard, joined
from cobalt_tasks.views.exports.options import ExportOptions
from cobalt_tasks.views.text import quick_iso

_AS_THEY_ARE: Final = frozenset({ColumnKind.INTEGER, ColumnKind.NUMBER})
_FLAGS: Final = {None: "", True: "true", False: "false"}


def chunks(source: TableRows, options: ExportOptions) -> Iterator[str]:
    """Yield the header and the rows.

    source: the rows; options: the separator.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n", delimiter=options.separator)
    guard = Guard(options.separator)
    changed = [
        (place, _CONVERTERS[column.kind])
        for place, column in enumerate(source.columns)
        if column.kind not in _AS_THEY_ARE
    ]
    writer.writerow(source.names)
    yield buffer.getvalue()
    for values in source.pages():
        for place, convert in changed:
            values[place] = convert(values[place], guard)
        buffer.seek(0)
        buffer.truncate()
        writer.writerows(zip(*values, strict=True))
        yield buffer.getvalue()


def _lists(values: Iterable[Any], guard: Guard) -> Any:
    """Return the cells of lists, as `guard` makes them."""
    return guard.cells(list(map(joined, values)))


_CONVERTERS: Final[Mapping[ColumnKind, Callable[[Any, Guard], Any]]] = {
    ColumnKind.TEXT: lambda values, guard: guard.cells(values),
    ColumnKind.TIME: lambda values, _guard: map(quick_iso, values),
    ColumnKind.FLAG: lambda values, _guard: map(_FLAGS.__getitem__, values),
    ColumnKind.TEXTS: _lists,
    ColumnKind.INTEGERS: _lists,
    ColumnKind.DER: lambda values, guard: map(guard.cell, map(shown_bytes(ColumnKind.DER), values)),
    ColumnKind.PEM: lambda values, guard: map(guard.cell, map(shown_bytes(ColumnKind.PEM), values)),
}
"""What makes cells of the values of a column."""
