"""Flow logs of Azure: of network security groups (versions 1 and 2) and of virtual networks."""

import re
from collections.abc import Iterator
from typing import Any, ClassVar, Final

from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.formats import wrapped
from cobalt_tasks.ingest.formats.flows import table
from cobalt_tasks.ingest.formats.json_lines import JsonFormat
from cobalt_tasks.ingest.formats.json_text import SEPARATORS, part

Record = dict[str, Any]

_HEAD: Final = re.compile(rb'\s*\{\s*"records"\s*:\s*(?=\[)')
"""What stands before the records of a file."""

_FIELDS: Final = (
    *("time", "src_ip", "dst_ip", "src_port", "dst_port", "protocol", "flow_direction", "decision"),
    *("packets", "bytes", "reply_packets", "reply_bytes"),
)
"""Version 1 ends with the decision, version 2 has a state behind it."""

_FIELDS_2: Final = (*_FIELDS[:8], "state", *_FIELDS[8:])
_FIELDS_OF_NETWORKS: Final = (*_FIELDS[:7], "state", "encryption", *_FIELDS[8:])
_COLUMNS: Final = {
    "source": "src_ip",
    "source_port": "src_port",
    "target": "dst_ip",
    "target_port": "dst_port",
    "protocol": "protocol",
    "start": "time",
}
_WORDS: Final = {
    "protocol": {"T": "tcp", "U": "udp"},
    "flow_direction": {"I": "inbound", "O": "outbound"},
    "decision": {"A": "allowed", "D": "denied"},
    "state": {"B": "begin", "C": "continuing", "E": "end", "D": "denied"},
}
_COUNTS: Final = frozenset(_FIELDS[8:])
_DIGITS: Final = 18
_FEWEST: Final = 8
_MOST_GROUPS: Final = 100_000


class AzureFlowLog(JsonFormat):
    """A record has many flows, each with who spoke first; reports of one flow are joined."""

    name: ClassVar = "azure-flow-log"
    family: ClassVar = "azure"
    tool: ClassVar = "azure"
    summary: ClassVar = "flow logs of network security groups (versions 1 and 2) and of virtual networks"
    is_traffic: ClassVar = True
    longest: ClassVar = 16 << 20

    @classmethod
    def owns(cls, record: Record) -> bool:
        """Recognise by the lists of flows."""
        return any(True for each in _records(record) for _ in _groups(each))

    @classmethod
    def score(cls, sample: bytes) -> int:
        """Count the records that are surely of this format; in a file they are below one key."""
        return super().score(_without_head(sample))

    def split(self, data: bytes) -> int:
        """Cut after the last whole record, which may be of the list of a file."""
        return super().split(_without_head(data))

    def parse(self, data: bytes, position: int, batch: Batch) -> None:
        """Read each record of `data`, which starts at byte `position`, into `batch`."""
        super().parse(_without_head(data), position, batch)

    def _apart(self, line: bytes, reason: str, position: int, batch: Batch) -> None:
        # The end of the list of a file.
        if line.strip(SEPARATORS + b"}"):
            super()._apart(line, reason, position, batch)

    def _read(self, record: Record, line: bytes, position: int, batch: Batch, before: bytes = b"") -> None:  # noqa: ARG002  # a flow is refused alone, and has a time
        objects = wrapped.objects(record, self.owns)
        flows = [flow for inner, _ in objects for each in _records(inner) for flow in _flows(each)]
        for text, about in flows:
            try:
                _add(text, about, batch)
            except RefusedError as refused:
                batch.reject(position, str(refused), str(text).encode("utf-8", "replace"))
        if not flows:
            # Logs of other categories stand in the same files.
            batch.ignore()

    def record(self, record: Record, batch: Batch) -> None:
        """Read the flows of one `record` into `batch`."""
        self._read(record, b"", 0, batch)


def _without_head(data: bytes) -> bytes:
    """Return the text with blanks for what stands before the records of a file: each of them is one object then."""
    found = _HEAD.match(data)
    return b" " * found.end() + data[found.end() :] if found else data


def _records(record: Record) -> list[Any]:
    several = record.get("records")
    return several if isinstance(several, list) else [record]


def _groups(record: Any) -> Iterator[tuple[Record, Record, bool]]:
    """Yield (rule, its flows, whether they are of a virtual network) of one record."""
    for outer, inner, is_network in (
        (part(record, "properties", "flows"), "flows", False),
        (part(record, "flowRecords", "flows"), "flowGroups", True),
    ):
        for each in outer if isinstance(outer, list) else ():
            groups = part(each, inner)
            for group in groups if isinstance(groups, list) else ():
                if isinstance(part(group, "flowTuples"), list):
                    yield each, group, is_network


def _flows(record: Any) -> Iterator[tuple[Any, Record]]:
    """Yield (flow as it is written, what the record has about it)."""
    for rule, group, is_network in _groups(record):
        about = {
            "rule": rule.get("rule") or group.get("rule"),
            "mac": group.get("mac") or part(record, "macAddress"),
            "resource": part(record, "resourceId") or part(record, "targetResourceID"),
            "is_network": is_network,
        }
        for each in group["flowTuples"][:_MOST_GROUPS]:
            yield each, about


def _add(text: Any, about: Record, batch: Batch) -> None:
    """Add one flow.

    text: as it is written, values between commas; about: what its record has; batch: what it is added to.
    """
    cells = text.split(",") if isinstance(text, str) else []
    if len(cells) < _FEWEST:
        raise RefusedError(f"a flow has {len(cells)} values")
    is_network = about["is_network"]
    fields = _FIELDS_OF_NETWORKS if is_network else _FIELDS_2
    flow: Record = {name: value for name, value in about.items() if name != "is_network"}
    for name, cell in zip(fields, cells, strict=False):
        value = cell.strip()
        is_count = name in _COUNTS and value.isdecimal() and len(value) <= _DIGITS
        flow[name] = int(value) if is_count else _WORDS.get(name, {}).get(value, value)
    table.add(batch, flow, _COLUMNS, start=values.timestamp(flow.get("time")), is_directed=True, is_one_way=True)
