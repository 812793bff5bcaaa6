"""nfdump: -o csv of all its versions, and -o json."""

from typing import Any, ClassVar, Final

from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.formats.csv_table import CsvTable
from cobalt_tasks.ingest.formats.flows import table
from cobalt_tasks.ingest.formats.json_lines import JsonFormat

_OLD: Final = {
    "source": "sa",
    "source_port": "sp",
    "target": "da",
    "target_port": "dp",
    "protocol": "pr",
    "start": "ts",
}
_NEW: Final = {
    "source": "srcaddr",
    "source_port": "srcport",
    "target": "dstaddr",
    "target_port": "dstport",
    "protocol": "proto",
    "start": "firstseen",
}
_JSON: Final = {"source_port": "src_port", "target_port": "dst_port", "protocol": "proto", "start": "first"}
_SUMMARY: Final = ("summary", "flows,bytes", "no matched", "time window", "total flows")


class NfdumpCsv(CsvTable):
    """Flows have one direction each: the two of a connection are joined. The summary at the end is no record."""

    name: ClassVar = "nfdump-csv"
    family: ClassVar = "nfdump"
    tool: ClassVar = "nfdump"
    summary: ClassVar = "-o csv"
    is_traffic: ClassVar = True

    @classmethod
    def is_header(cls, columns: list[str]) -> bool:
        """Return whether these are nfdump's columns."""
        return set(columns) >= set(_OLD.values()) or (set(columns) >= set(_NEW.values()) and "firstseen" in columns)

    def line(self, line: bytes, batch: Batch) -> None:
        """Read the header, or one flow, from a `line` into `batch`."""
        if line.decode("utf-8", "replace").lower().startswith(_SUMMARY) or _is_sum(line):
            return
        super().line(line, batch)

    def row(self, record: dict[str, str], batch: Batch) -> None:
        """Read one flow, a `record`, into `batch`."""
        columns = _OLD if "sa" in record else _NEW
        start = values.timestamp(record.get(columns["start"]))
        is_opened = table.is_opened(record.get("flg") or record.get("flags"))
        table.add(batch, record, columns, start=start, is_directed=is_opened, is_one_way=True)


class NfdumpJson(JsonFormat):
    """One object a flow, in an array or one a line."""

    name: ClassVar = "nfdump-json"
    family: ClassVar = "nfdump"
    tool: ClassVar = "nfdump"
    summary: ClassVar = "-o json"
    is_traffic: ClassVar = True

    @classmethod
    def owns(cls, record: dict[str, Any]) -> bool:
        """Recognise by nfdump's names for the two ends."""
        return ("src4_addr" in record and "dst4_addr" in record) or ("src6_addr" in record and "dst6_addr" in record)

    def record(self, record: dict[str, Any], batch: Batch) -> None:
        """Read one flow, a `record`, into `batch`."""
        version = "4" if "src4_addr" in record else "6"
        columns = {**_JSON, "source": f"src{version}_addr", "target": f"dst{version}_addr"}
        if columns["source"] not in record:
            raise RefusedError("src4_addr is missing")
        if "protocol" in record and "proto" not in record:
            columns["protocol"] = "protocol"
        start = values.timestamp(record.get("first") or record.get("t_first"))
        is_opened = table.is_opened(record.get("tcp_flags"))
        table.add(batch, record, columns, start=start, is_directed=is_opened, is_one_way=True)


def _is_sum(line: bytes) -> bool:
    """Return whether a line is the sum below the summary: numbers, and no address."""
    return all(cell.strip().isdigit() for cell in line.split(b",")) and line.count(b",") >= 3  # noqa: PLR2004
