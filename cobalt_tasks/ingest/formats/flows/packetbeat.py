"""Packetbeat, and what other programs report of connections in Elastic's Common Schema."""

from typing import Any, ClassVar, Final

from cobalt_tasks.core.addresses import canonical
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.formats import described_certificates, names
from cobalt_tasks.ingest.formats.described_certificates import CertificateDescription
from cobalt_tasks.ingest.formats.flows import table
from cobalt_tasks.ingest.formats.json_lines import JsonFormat
from cobalt_tasks.ingest.formats.json_text import part

Record = dict[str, Any]

_TOOL: Final = "packetbeat"
_ENDS: Final = ("source", "destination", "dest")
_COLUMNS: Final = {
    "source": "source.ip",
    "source_port": "source.port",
    "target": "destination.ip",
    "target_port": "destination.port",
    "protocol": "network.transport",
}
_DATASETS: Final = ("flow", "network_traffic.", "netflow.")
_USED: Final = frozenset({
    *("@timestamp", "@metadata", "agent", "ecs", "host", "observer", "start_time", "dest", "transport"),
})  # fmt: skip
"""What describes the sensor, and what is kept elsewhere."""

_MOST: Final = 64


class Packetbeat(JsonFormat):
    """Who spoke first is the source, but of an alert and of NetFlow, which are about one direction. Reports of one flow are joined."""

    name: ClassVar = "packetbeat"
    family: ClassVar = "packetbeat"
    tool: ClassVar = _TOOL
    summary: ClassVar = "flows and transactions as JSON; also connections of others in Elastic's schema (Filebeat)"
    is_traffic: ClassVar = True

    @classmethod
    def owns(cls, record: Record) -> bool:
        """Recognise by two ends, and a sign of the program."""
        if not isinstance(part(record, "source", "ip"), str) or not isinstance(_target(record).get("ip"), str):
            return False
        dataset = part(record, "event", "dataset") or part(record, "data_stream", "dataset") or record.get("type")
        is_beat = _TOOL in (
            part(record, "agent", "type"),
            part(record, "@metadata", "beat"),
            part(record, "beat", "name"),
        )
        is_ours = is_beat or (isinstance(dataset, str) and dataset.startswith(_DATASETS))
        return is_ours or ("ecs" in record and isinstance(record.get("network"), dict))

    def record(self, record: Record, batch: Batch) -> None:
        """Read one event, a `record`, into `batch`."""
        source, target = record.get("source"), _target(record)
        if not isinstance(source, dict) or "ip" not in source or "ip" not in target:
            # The metrics of the program itself.
            batch.ignore()
            return
        transport = (
            part(record, "network", "transport") or record.get("transport") or part(record, "network", "iana_number")
        )
        start = part(record, "event", "start") or record.get("start_time") or record.get("@timestamp")
        when = values.timestamp(start)
        flow = {
            **{name: value for name, value in record.items() if name not in _USED and name not in _ENDS},
            **{name: _rest(end) for name, end in (("source", source), ("destination", target))},
            **{f"source.{name}": source.get(name) for name in ("ip", "port")},
            **{f"destination.{name}": target.get(name) for name in ("ip", "port")},
            "network.transport": transport or "ip",
        }
        is_directed = "netflow" not in record and part(record, "event", "kind") != "alert"
        table.add(batch, flow, _COLUMNS, start=when, is_directed=is_directed, is_one_way=True)
        _facts(record, target, batch, when)


def _target(record: Record) -> Record:
    """Return the other end; the first versions called it `dest`."""
    found = record.get("destination") or record.get("dest")
    return found if isinstance(found, dict) else {}


def _rest(end: Record) -> Record:
    return {name: value for name, value in end.items() if name not in {"ip", "port"}}


def _facts(record: Record, target: Record, batch: Batch, when: float | None) -> None:
    """Add the names that an event has for its server, and the answers of the DNS.

    record: the event; target: the server's end; batch: what they are added to; when: epoch seconds, None for the arrival.
    """
    server = canonical(str(target.get("ip")))
    for name in (part(record, "tls", "client", "server_name"), target.get("domain")):
        if server and name:
            batch.name(server, name, _TOOL, when)
    shown = part(record, "tls", "server")
    if server and isinstance(shown, dict):
        _certificate(shown, batch, (server, target.get("port")), when)
    answers, asked = part(record, "dns", "answers"), part(record, "dns", "question", "name")
    for each in answers[:_MOST] if isinstance(answers, list) else ():
        names.record(batch, asked, part(each, "name"), part(each, "type"), part(each, "data"), when)


def _certificate(shown: Record, batch: Batch, server: tuple[str, Any], when: float | None) -> None:
    """Add the certificate of a server, and the names in it.

    shown: what the event has of it; batch: what it is added to; server: address and port; when: epoch seconds, None for the arrival.
    """
    description = CertificateDescription(
        fingerprint=part(shown, "hash", "sha256"),
        subject=shown.get("subject"),
        issuer=shown.get("issuer"),
        not_before=shown.get("not_before"),
        not_after=shown.get("not_after"),
        names=part(shown, "x509", "alternative_names"),
    )
    described_certificates.add(
        batch, (server[0], "tcp", values.port(server[1] or 0, "destination.port")), description, when
    )
