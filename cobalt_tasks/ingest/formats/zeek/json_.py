"""Zeek's logs as JSON: keys with dots in them, absent where a value is not set."""

from typing import Any, ClassVar, Final

from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.formats.json_lines import JsonFormat
from cobalt_tasks.ingest.formats.zeek import logs
from cobalt_tasks.ingest.formats.zeek.tsv import column

_ENDS: Final = frozenset({"id.orig_h", "id.resp_h"})
_OTHERS: Final = (
    {"ts", "host", "port_num"},
    {"ts", "host", "software_type"},
    {"ts", "uids", "msg_types"},
    {"ts", "fingerprint", "certificate.serial"},
    {"ts", "id", "certificate.serial"},
    {"ts", "_path"},
    {"ts", "fuid"},
    {"ts", "sig_id"},
    {"ts", "note", "msg"},
    {"ts", "name", "notice"},
    {"ts", "id", "hashAlgorithm"},
    {"ts", "peer", "mem"},
    {"ts", "acks", "percent_lost"},
)
"""Columns that make a line one of Zeek's, where it has no connection."""

_NESTED: Final = ("id", "version", "certificate", "san")


class ZeekJson(JsonFormat):
    """Lines of any log, also mixed; what sends them to a database may have made objects of the dots."""

    name: ClassVar = "zeek-json"
    family: ClassVar = "zeek"
    tool: ClassVar = "zeek"
    summary: ClassVar = "the same logs as JSON, also mixed"
    is_traffic: ClassVar = True

    @classmethod
    def owns(cls, record: dict[str, Any]) -> bool:
        """Recognise by Zeek's names for the two ends, or by the columns of one of its other logs."""
        found = _flat(record)
        return found.keys() >= _ENDS or any(found.keys() >= names for names in _OTHERS) or _has_only_hosts(found)

    def record(self, record: dict[str, Any], batch: Batch) -> None:
        """Read one `record` into `batch`."""
        logs.read(None, _flat(record), batch)


def _has_only_hosts(record: dict[str, Any]) -> bool:
    return record.keys() == {"ts", "host"} or record.keys() == logs.TRACEROUTE


def _flat(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record with the names of columns that Zeek writes by itself."""
    if "id.orig_h" in record:
        return record
    found: dict[str, Any] = {}
    for name, value in record.items():
        if name in _NESTED and isinstance(value, dict):
            found.update({f"{name}.{inner}": each for inner, each in value.items()})
        else:
            found[column(name)] = value
    return found
