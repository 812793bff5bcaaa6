"""Apache Parquet: typed columns, times in UTC, lists as lists, in row groups."""

import io
from collections.abc import Callable, Iterator
from typing import Any, Final

import pyarrow as pa
from pyarrow import parquet

from cobalt_tasks.hosts.exports import ColumnKind, TableRows
from cobalt_tasks.hosts.exports.columns import shown_bytes
from cobalt_tasks.views.exports.options import ExportOptions

_TYPES: Final = {
    ColumnKind.TEXT: pa.string(),
    ColumnKind.INTEGER: pa.int64(),
    ColumnKind.NUMBER: pa.float64(),
    ColumnKind.FLAG: pa.bool_(),
    ColumnKind.TIME: pa.timestamp("ms", tz="UTC"),
    ColumnKind.TEXTS: pa.list_(pa.string()),
    ColumnKind.INTEGERS: pa.list_(pa.int32()),
    ColumnKind.DER: pa.binary(),
    ColumnKind.PEM: pa.string(),
}
_GROUP_ROWS: Final = 15_000
_GROUP_BYTES: Final = 8 << 20
_LATEST: Final = 2**62


def chunks(source: TableRows, _options: ExportOptions) -> Iterator[bytes]:
    """Yield the file, a row group at a time. source: the rows."""
    # The usual pool keeps what was freed.
    pa.set_memory_pool(pa.system_memory_pool())
    schema = pa.schema([(column.name, _TYPES[column.kind]) for column in source.columns])
    converters = [_CONVERTERS.get(column.kind) for column in source.columns]
    # The writer counts by itself where in the file it is.
    pieces = io.BytesIO()
    with parquet.ParquetWriter(pieces, schema, compression="zstd") as writer:
        for group in _groups(source, schema, converters):
            writer.write_table(pa.Table.from_batches(group, schema))
            yield _taken(pieces)
    yield _taken(pieces)


def _taken(pieces: io.BytesIO) -> bytes:
    """Return what was written to `pieces` since the last call."""
    written = pieces.getvalue()
    pieces.seek(0)
    pieces.truncate()
    return written


def _groups(
    source: TableRows, schema: Any, converters: list[Callable[[Any], Any] | None]
) -> Iterator[list[Any]]:  # fmt: skip
    """Yield record batches for one row group after the other.

    source: the rows; schema: of the batches; converters: of each column, None where values stay as they are.
    """
    group: list[Any] = []
    rows = size = 0
    for page in source.pages():
        columns = zip(page, converters, schema, strict=True)
        arrays = [
            pa.array(values if convert is None else list(map(convert, values)), field.type)
            for values, convert, field in columns
        ]
        batch = pa.RecordBatch.from_arrays(arrays, schema=schema)
        group.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows >= _GROUP_ROWS or size >= _GROUP_BYTES:
            yield group
            group, rows, size = [], 0, 0
    if group:
        yield group


def _milliseconds(moment: float | None) -> int | None:
    if moment is None or moment != moment:  # noqa: PLR0124  # not a number
        return None
    # To the millisecond that the other formats write: they round to microseconds first.
    return round(max(-_LATEST, min(_LATEST, moment * 1_000_000))) // 1000


_CONVERTERS: Final[dict[ColumnKind, Callable[[Any], Any]]] = {
    ColumnKind.TIME: _milliseconds,
    ColumnKind.PEM: shown_bytes(ColumnKind.PEM),
}
