"""Cowrie, a honeypot: the connections to it, from its JSON log."""

from typing import Any, ClassVar, Final

from cobalt_tasks.core.records import Authority, Observation
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.formats.json_lines import JsonFormat

_CONNECT: Final = "cowrie.session.connect"
_KEPT: Final = {"protocol": "service", "session": "session", "sensor": "sensor"}
_LONGEST: Final = 64


class Cowrie(JsonFormat):
    """Who came is a connection; what was typed, and what the honeypot was asked to forward, is ignored."""

    name: ClassVar = "cowrie"
    family: ClassVar = "cowrie"
    tool: ClassVar = "cowrie"
    summary: ClassVar = "the connections in the JSON log of the honeypot"
    is_traffic: ClassVar = True

    @classmethod
    def owns(cls, record: dict[str, Any]) -> bool:
        """Recognise by the name of an event."""
        return isinstance(event := record.get("eventid"), str) and event.startswith("cowrie.")

    def record(self, record: dict[str, Any], batch: Batch) -> None:
        """Read one event, a `record`, into `batch`."""
        if record.get("eventid") != _CONNECT:
            batch.ignore()
            return
        kept = {name: record[key] for key, name in _KEPT.items() if isinstance(record.get(key), str)}
        batch.observe(
            Observation(
                src_ip=values.address(record.get("src_ip"), "src_ip"),
                src_port=values.port(record.get("src_port", 0), "src_port"),
                dst_ip=values.address(record.get("dst_ip"), "dst_ip"),
                dst_port=values.port(record.get("dst_port"), "dst_port"),
                protocol="tcp",
                observed_at=values.timestamp(record.get("timestamp")),
                identity=values.text(record.get("session"), _LONGEST),
                authority=Authority.FLOW,
                details=values.rest(kept, ()),
            )
        )
