"""The input formats: one file each, or one folder for each tool, and one line in `registry.py`."""

from cobalt_tasks.ingest.formats.base import Format, KnownLineFormat, LineFormat
from cobalt_tasks.ingest.formats.json_lines import JsonFormat
from cobalt_tasks.ingest.formats.recognition import BYTE_ORDER_MARK, NO_SCANS, SAMPLE, advice, recognise
from cobalt_tasks.ingest.formats.registry import (
    AUTO,
    FORMATS,
    all_formats,
    families,
    find,
    may_scan,
    named,
    of_family,
    table,
)

__all__ = [
    "AUTO",
    "BYTE_ORDER_MARK",
    "FORMATS",
    "NO_SCANS",
    "SAMPLE",
    "Format",
    "JsonFormat",
    "KnownLineFormat",
    "LineFormat",
    "advice",
    "all_formats",
    "families",
    "find",
    "may_scan",
    "named",
    "of_family",
    "recognise",
    "table",
]
