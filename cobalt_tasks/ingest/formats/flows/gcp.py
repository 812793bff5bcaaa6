"""VPC flow logs and firewall logs of Google Cloud, as Cloud Logging exports them."""

from typing import Any, ClassVar, Final

from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.formats.flows import table
from cobalt_tasks.ingest.formats.json_lines import JsonFormat

Record = dict[str, Any]

_COLUMNS: Final = {
    "source": "src_ip",
    "source_port": "src_port",
    "target": "dest_ip",
    "target_port": "dest_port",
    "protocol": "protocol",
    "start": "start_time",
}


class GcpFlowLog(JsonFormat):
    """Flows have one direction each: the two of a connection are joined. The firewall's log has who asked first."""

    name: ClassVar = "gcp-flow-log"
    family: ClassVar = "gcp"
    tool: ClassVar = "gcp"
    summary: ClassVar = "VPC flow logs and firewall logs of Google Cloud, as Cloud Logging exports them"
    is_traffic: ClassVar = True

    @classmethod
    def owns(cls, record: Record) -> bool:
        """Recognise by the names of the ends of a connection."""
        connection = _payload(record).get("connection")
        return isinstance(connection, dict) and "src_ip" in connection and "dest_ip" in connection

    def record(self, record: Record, batch: Batch) -> None:
        """Read one flow, a `record`, into `batch`."""
        payload = _payload(record)
        connection = payload.get("connection")
        ends = connection if isinstance(connection, dict) else {}
        start = values.timestamp(payload.get("start_time") or record.get("timestamp"))
        is_of_firewall = "disposition" in payload
        flow = {"protocol": "ip", **payload, **ends}
        flow.pop("connection", None)
        table.add(batch, flow, _COLUMNS, start=start, is_directed=is_of_firewall, is_one_way=True)


def _payload(record: Record) -> Record:
    """Return what the log itself wrote: Cloud Logging puts it below a key of its own record."""
    inner = record.get("jsonPayload")
    return inner if isinstance(inner, dict) else record
