"""Suricata's EVE: flow, tls, alert, dns and http events, known again by their flow_id.

Events of one flow are one observation: the first is accepted, the others add to its details. There can be many alerts,
queries and requests in a flow, so those are lists.
"""

from typing import Any, ClassVar, Final

from cobalt_tasks.core.records import Observation
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.formats.json_lines import JsonFormat
from cobalt_tasks.ingest.formats.json_text import part
from cobalt_tasks.ingest.formats.zeek.logs import common_name

_WANTED: Final = {
    "flow": ("bytes_toserver", "bytes_toclient", "pkts_toserver", "pkts_toclient", "age", "state", "reason", "alerted"),
    "tls": ("sni", "subject", "issuerdn", "fingerprint", "serial", "version", "notbefore", "notafter", "ja3s", "ja4"),
    "alert": ("signature", "signature_id", "severity", "category", "action"),
    "dns": ("type", "rrname", "rrtype", "rcode"),
    "http": ("hostname", "url", "http_user_agent", "http_method", "status", "redirect"),
}
_MANY: Final = frozenset({"alert", "dns", "http"})
_LONGEST: Final = 512
_LONGEST_IDENTITY: Final = 64


class SuricataEve(JsonFormat):
    """One event a line; what is no connection (statistics and the like) is ignored."""

    name: ClassVar = "suricata-eve"
    family: ClassVar = "suricata"
    tool: ClassVar = "suricata"
    summary: ClassVar = "EVE; the events of one flow are one connection, whose details they add to"
    is_traffic: ClassVar = True

    @classmethod
    def owns(cls, record: dict[str, Any]) -> bool:
        """Recognise by an event's type and time."""
        return "event_type" in record and "timestamp" in record

    def record(self, record: dict[str, Any], batch: Batch) -> None:
        """Read one event, a `record`, into `batch`."""
        kind = record.get("event_type")
        if not isinstance(kind, str):
            raise RefusedError("event_type is missing")
        if kind not in _WANTED:
            batch.ignore()
            return
        server = values.address(record.get("dest_ip"), "dest_ip")
        when = values.timestamp(record.get("timestamp"))
        flow = record.get("flow_id")
        batch.observe(
            Observation(
                src_ip=values.address(record.get("src_ip"), "src_ip"),
                src_port=values.port(record.get("src_port", 0), "src_port"),
                dst_ip=server,
                dst_port=values.port(record.get("dest_port", 0), "dest_port"),
                protocol=values.protocol(record.get("proto", "tcp")),
                observed_at=when,
                identity=str(flow)[:_LONGEST_IDENTITY] if isinstance(flow, int | str) else None,
                details=values.details(_details(kind, record)),
            ),
        )
        if kind == "tls":
            batch.name(server, part(record, "tls", "sni"), self.tool, when)
            batch.name(server, common_name(part(record, "tls", "subject")), "certificate", when)
        elif kind == "http":
            batch.name(server, part(record, "http", "hostname"), self.tool, when)


def _details(kind: str, record: dict[str, Any]) -> dict[str, Any]:
    said = record.get(kind)
    details: dict[str, Any] = {"event": kind}
    if isinstance(service := record.get("app_proto"), str):
        details["service"] = service[:_LONGEST]
    if isinstance(said, dict):
        found = {name: _bounded(said[name]) for name in _WANTED[kind] if isinstance(said.get(name), str | int | float)}
        details.update({kind: [found]} if kind in _MANY else found)
    return details


def _bounded(value: Any) -> Any:
    return value[:_LONGEST] if isinstance(value, str) else value
