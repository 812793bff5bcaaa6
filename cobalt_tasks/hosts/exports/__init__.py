"""Whole tables as streams of plain rows, for `cobalt export`: page by page, with bounded memory."""

from cobalt_tasks.hosts.exports.columns import Column, ColumnKind, TableRows
from cobalt_tasks.hosts.exports.pages import Asked, read_query, stream
from cobalt_tasks.hosts.exports.tables import TABLES

__all__ = ["TABLES", "Asked", "Column", "ColumnKind", "TableRows", "read_query", "stream"]
