"""Whole tables as streams of plain rows, for `cobalt export`: page by page, with bounded memory."""

from cobalt_tasks.hosts.exports.columns import ColumnKind, ExportColumn, TableRows
from cobalt_tasks.hosts.exports.pages import Asked, read_query, stream
from cobalt_tasks.hosts.exports.tables import TABLES

__all__ = ["TABLES", "Asked", "ColumnKind", "ExportColumn", "TableRows", "read_query", "stream"]
