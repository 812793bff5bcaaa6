"""Whole tables, or the rows of them that match, streamed in one of the formats of `views/exports/registry.py`."""

from typing import IO, Any

from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts.exports import TABLES, Asked, stream
from cobalt_tasks.views.exports.options import USUAL, ExportOptions
from cobalt_tasks.views.exports.registry import FORMATS

__all__ = ["FORMATS", "TABLES", "export"]


def export(  # noqa: PLR0913, PLR0917  # what a user chooses
    database: Database,
    table: str,
    form: str,
    output: IO[Any],
    asked: Asked | None = None,
    options: ExportOptions = USUAL,
) -> int:
    """Write a table, or the rows of it that match; return their number. Memory does not grow with the table.

    Args:
        database: the ledger.
        table: one of `TABLES`.
        form: one of `FORMATS`.
        output: a file of text, or of bytes where the format is binary.
        asked: only the rows that match, from `read_query` or a search whose target is the table. None: all rows.
        options: how to write them.

    Raises:
        ConfigurationError: the format cannot hold this table.
        DatabaseUnavailableError: the database does not answer.

    """
    return FORMATS[form](stream(database, table, asked), output, options)
