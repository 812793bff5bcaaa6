"""NDJSON: one JSON object a line, with text as it was seen, numbers as numbers, lists as lists, times in ISO 8601."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from cobalt_tasks.hosts.exports import ColumnKind, TableRows
from cobalt_tasks.hosts.exports.columns import Values, shown_bytes
from cobalt_tasks.views.exports.options import ExportOptions
from cobalt_tasks.views.text import quick_iso

_BYTES: Final = (ColumnKind.DER, ColumnKind.PEM)


def chunks(source: TableRows, _options: ExportOptions) -> Iterator[str]:
    """Yield the rows. source: these."""
    encode = msgspec.json.Encoder().encode_lines
    # A struct is made and written faster than a dictionary.
    row: Any = msgspec.defstruct("Row", source.names, gc=False)
    for values in shown(source):
        yield encode(list(map(row, *values))).decode()


def shown(source: TableRows) -> Iterator[Values]:
    """Yield pages with times and bytes of `source` as JSON holds them."""
    changed = [
        (place, quick_iso if column.kind is ColumnKind.TIME else shown_bytes(column.kind))
        for place, column in enumerate(source.columns)
        if column.kind is ColumnKind.TIME or column.kind in _BYTES
    ]
    for values in source.pages():
        for place, convert in changed:
            values[place] = list(map(convert, values[place]))
        yield values


def objects(source: TableRows) -> Iterator[list[dict[str, Any]]]:
    """Yield pages of `source`, each row as what its JSON object holds."""
    names = source.names
    for values in shown(source):
        yield [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]
