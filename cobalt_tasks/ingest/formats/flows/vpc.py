"""AWS VPC flow logs: files of S3 with their header, and lines of CloudWatch in the default form."""

from typing import ClassVar, Final

from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.formats.csv_table import CsvTable, cells
from cobalt_tasks.ingest.formats.flows import table

_DEFAULT: Final = (
    *("version", "account-id", "interface-id", "srcaddr", "dstaddr", "srcport", "dstport", "protocol", "packets"),
    *("bytes", "start", "end", "action", "log-status"),
)
_MORE: Final = (
    *("vpc-id", "subnet-id", "instance-id", "tcp-flags", "type", "pkt-srcaddr", "pkt-dstaddr", "region", "az-id"),
    *("sublocation-type", "sublocation-id", "pkt-src-aws-service", "pkt-dst-aws-service", "flow-direction"),
    "traffic-path",
)
"""What the later versions added, in the order of the documentation."""

_COLUMNS: Final = {
    "source": "srcaddr",
    "source_port": "srcport",
    "target": "dstaddr",
    "target_port": "dstport",
    "protocol": "protocol",
    "start": "start",
}
_SYN: Final = 0x02
_ACK: Final = 0x10
_DIGITS: Final = 3
_NO_DATA: Final = frozenset({"NODATA", "SKIPDATA"})


class VpcFlowLog(CsvTable):
    """Flows have one direction each: the two of a connection are joined. Windows without data are ignored."""

    name: ClassVar = "vpc-flow-log"
    family: ClassVar = "vpc"
    tool: ClassVar = "vpc"
    summary: ClassVar = "AWS VPC flow logs, with their header or in the default form"
    is_traffic: ClassVar = True
    separators: ClassVar = " \t,"

    @classmethod
    def is_header(cls, columns: list[str]) -> bool:
        """Return whether these are the columns of a flow log."""
        return {"srcaddr", "dstaddr"} <= set(columns) and ("log-status" in columns or "interface-id" in columns)

    @classmethod
    def score(cls, sample: bytes) -> int:
        """Recognise by the header, or by lines in the default form."""
        return super().score(sample) or sum(map(_is_default, sample.split(b"\n")))

    def headless(self, line: bytes, batch: Batch) -> None:
        """Read a `line` in the default form into `batch`."""
        if not _is_default(line):
            raise RefusedError("no header before it, and not in the default form")
        found = _default_cells(line)
        self.row(dict(zip((*_DEFAULT, *_MORE), found, strict=False)), batch)

    def row(self, record: dict[str, str], batch: Batch) -> None:
        """Read one flow, a `record`, into `batch`."""
        flow = {name: value for name, value in record.items() if value != "-"}
        if record.get("log-status") in _NO_DATA or ("srcaddr" not in flow and "pkt-srcaddr" not in flow):
            batch.ignore()
            return
        start = values.timestamp(flow.get("start"))
        flags = flow.get("tcp-flags", "")
        # Only who opens a connection sends a SYN without an ACK.
        opened = int(flags) & (_SYN | _ACK) if flags.isascii() and flags.isdigit() and len(flags) <= _DIGITS else 0
        table.add(
            batch,
            {"protocol": "ip", **flow},
            _COLUMNS,
            start=start,
            is_directed=bool(opened & _SYN),
            is_back=opened == _SYN | _ACK,
            is_one_way=True,
        )


def _default_cells(line: bytes) -> list[str]:
    found = cells(line, " ")
    # CloudWatch writes its own time before the line.
    return found[1:] if found and "T" in found[0] else found


def _is_default(line: bytes) -> bool:
    """Return whether a line has the default fields, and behind them at most those of later versions in their order."""
    found = _default_cells(line)
    more = found[len(_DEFAULT) :]
    is_ordered = len(found) >= len(_DEFAULT) and found[0].isdigit() and found[2].startswith("eni-")
    return (
        is_ordered
        and found[len(_DEFAULT) - 1].isupper()
        and len(more) <= len(_MORE)
        and all(each.startswith((start, "-")) for each, start in zip(more, ("vpc-", "subnet-"), strict=False))
    )
