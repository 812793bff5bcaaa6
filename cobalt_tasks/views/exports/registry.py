"""Every format of exports. A new one is a file here with a function `chunks`, and an entry in `FORMATS`."""

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import IO, Any, Final

from msgspec import Struct

from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.hosts.exports import TABLES, TableRows
from cobalt_tasks.views.exports.options import USUAL, ExportOptions

Chunk = Any
"""Text, or bytes where the format is binary."""


class ExportFormat(Struct, frozen=True, kw_only=True):
    """A format of exports. Calling it writes an export.

    Attributes:
        name: as users write it.
        media_type: for HTTP.
        extension: of files, with its point.
        summary: what reads it, for people.
        tables: of `TABLES`, those it suits; the first one is meant where none is named.
        binary: it yields bytes, and no text.
        module: the file here that has its `chunks`, imported when it is used.
        separated: cells have a separator, which can be chosen.

    """

    name: str
    media_type: str
    extension: str
    summary: str
    module: str
    tables: Sequence[str] = tuple(TABLES)
    binary: bool = False
    separated: bool = False

    @property
    def is_tabular(self) -> bool:
        """Whether it writes every table as it is, so that columns can be chosen."""
        return set(self.tables) == set(TABLES)

    def suits(self, table: str) -> None:
        """Check that it can hold a table.

        Raises:
            ConfigurationError: it cannot; the message lists those that it can.

        """
        if table not in self.tables:
            raise ConfigurationError(f"{self.name} holds {', '.join(self.tables)}, and no {table}")

    def chunks(self, rows: TableRows, options: ExportOptions = USUAL) -> Iterator[Chunk]:
        """Yield an export piece by piece: text, or bytes where it is binary. Rows are read when a piece is asked for.

        Args:
            rows: of one of its tables.
            options: how to write them.

        Raises:
            ConfigurationError: it cannot hold this table.

        """
        self.suits(rows.table)
        found: Iterator[Chunk] = import_module(f"{__package__}.{self.module}").chunks(rows, options)
        return found

    def __call__(self, rows: TableRows, output: IO[Any], options: ExportOptions = USUAL) -> int:
        """Write an export; return how many rows were read.

        Args:
            rows: of one of its tables.
            output: a file of text, or of bytes where the format is binary.
            options: how to write them.

        """
        for chunk in self.chunks(rows, options):
            output.write(chunk)
        return rows.count


_FORMATS: Final = (
    ExportFormat(
        name="csv", media_type="text/csv; charset=utf-8", extension=".csv", module="csv_file", separated=True,
        summary="spreadsheets, which run none of its text as a formula",
    ),
    ExportFormat(
        name="ndjson", media_type="application/x-ndjson", extension=".ndjson", module="ndjson",
        summary="jq, DuckDB, pandas: one JSON object a line",
    ),
    ExportFormat(
        name="xlsx", media_type="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", extension=".xlsx",
        module="xlsx", binary=True, summary="Excel, LibreOffice",
    ),
    ExportFormat(
        name="parquet", media_type="application/vnd.apache.parquet", extension=".parquet", module="parquet", binary=True,
        summary="DuckDB, pandas, Spark: typed columns",
    ),
    ExportFormat(
        name="geojson", media_type="application/geo+json", extension=".geojson", module="geojson", tables=("hosts",),
        summary="QGIS and other maps: hosts with a place",
    ),
    ExportFormat(
        name="stix", media_type="application/stix+json;version=2.1", extension=".stix.json", module="stix",
        tables=("hosts", "ports", "connections", "certificates"), summary="OpenCTI, MISP: a bundle of STIX 2.1",
    ),
    ExportFormat(
        name="ecs", media_type="application/x-ndjson", extension=".ecs.ndjson", module="ecs",
        tables=("hosts", "ports", "connections", "certificates", "changes", "findings"),
        summary="Elasticsearch: NDJSON in the Elastic Common Schema",
    ),
    ExportFormat(
        name="zgrab2", media_type="application/x-ndjson", extension=".zgrab2.json", module="zgrab2", tables=("ports",),
        summary="`cobalt ingest zgrab2`, and what reads zgrab2's results",
    ),
    ExportFormat(
        name="nmap-targets", media_type="text/plain; charset=utf-8", extension=".targets.txt", module="nmap_targets",
        tables=("hosts", "ports"), summary="`nmap -iL`: addresses, with their open ports as a comment",
    ),
    ExportFormat(
        name="pem", media_type="application/x-pem-file", extension=".pem", module="pem_file", tables=("certificates",),
        summary="openssl: the certificates whose bytes are known",
    ),
)  # fmt: skip

FORMATS: Final[Mapping[str, ExportFormat]] = {each.name: each for each in _FORMATS}
"""Name → format."""
