"""Suricata's EVE: every event about a flow, known again by its flow_id.

Events of one flow are one connection: the first is accepted, the others add to its details. There can be many alerts,
queries and requests in a flow, so those are lists.
"""

from typing import Any, ClassVar, Final

from cobalt_tasks.core.records import Authority, Observation
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.connections import BY_PORT
from cobalt_tasks.ingest.formats.json_lines import JsonFormat
from cobalt_tasks.ingest.formats.json_text import part
from cobalt_tasks.ingest.formats.suricata import facts

Record = dict[str, Any]
Ends = tuple[Any, Any, Any, Any]

_FROM_CLIENT: Final = frozenset({
    *("tls", "http", "http2", "ssh", "smtp", "ftp", "ftp_data", "smb", "nfs", "dcerpc", "pgsql", "mysql", "telnet"),
    *("modbus", "dnp3"),
})  # fmt: skip
"""Events whose source is the client. That of all others is the sender of one packet or, of netflow, of one direction: that
may be the server.
"""

_ABOUT_PACKETS: Final = frozenset({"alert", "anomaly", "drop", "fileinfo", "packet", "netflow"})
"""Events that can be about any packet of a flow; the protocols' own come with its first messages."""

_ANSWERS: Final = ("answer", "response")
"""Types of DNS messages. Some versions write an answer as the packet, others as the question."""

_WITH_FLOW: Final = frozenset({"flow", "netflow", "alert", "tls", "dns", "http"})
"""Events that always have two ends."""

_ONCE: Final = frozenset({"flow", "tls"})
"""Parts of an event that occur once in a flow: their values stand in the details without the part's name."""

_BESIDE: Final = frozenset({"metadata", "ether", "tunnel", "tcp", "vlan", "verdict", "traffic"})
"""Parts that are kept as they are; all others occur many times in a flow, and are lists."""

_USED: Final = frozenset({
    *("timestamp", "flow_id", "event_type", "src_ip", "src_port", "dest_ip", "dest_port", "proto", "direction"),
    *("payload", "payload_printable", "packet", "packet_info", "stream", "payload_length", "pcap_cnt", "pcap_filename"),
})  # fmt: skip
"""What is kept elsewhere, content, and places in the sensor's own input."""

_NAMES: Final = {"app_proto": "service"}
_LONG: Final = frozenset({
    *("certificate", "chain", "http_response_body", "http_request_body", "grouped"),
    *("http_response_body_printable", "http_request_body_printable", "src_ip", "src_port", "dest_ip", "dest_port"),
})  # fmt: skip
"""Values that are facts of their own, or content."""

_LONGEST_IDENTITY: Final = 64


class SuricataEve(JsonFormat):
    """One event a line; what is about no flow (statistics and the like) is ignored."""

    name: ClassVar = "suricata-eve"
    family: ClassVar = "suricata"
    tool: ClassVar = "suricata"
    summary: ClassVar = "EVE, also inside AWS Network Firewall's records; the events of a flow are one connection"
    is_traffic: ClassVar = True

    @classmethod
    def owns(cls, record: Record) -> bool:
        """Recognise by an event's type and time."""
        event = _event(record)
        return "event_type" in event and "timestamp" in event

    def record(self, record: Record, batch: Batch) -> None:
        """Read one event, a `record`, into `batch`."""
        event = _event(record)
        kind = event.get("event_type")
        if not isinstance(kind, str):
            raise RefusedError("event_type is missing")
        if kind not in _WITH_FLOW and not ("src_ip" in event and "dest_ip" in event):
            if not facts.neighbour(kind, event, batch):
                batch.ignore()
            return
        (src_ip, src_port, dest_ip, dest_port), authority, note = _ends(kind, event)
        server = values.address(dest_ip, "dest_ip")
        port = values.port(dest_port or 0, "dest_port")
        protocol = values.protocol(event.get("proto", "tcp"))
        when = values.timestamp(event.get("timestamp"))
        start = part(event, "flow", "start") or part(event, "netflow", "start")
        flow = event.get("flow_id")
        batch.observe(
            Observation(
                src_ip=values.address(src_ip, "src_ip"),
                src_port=values.port(src_port or 0, "src_port"),
                dst_ip=server,
                dst_port=port,
                protocol=protocol,
                observed_at=when if start is None else values.timestamp(start),
                identity=values.text(str(flow), _LONGEST_IDENTITY) if isinstance(flow, int | str) else None,
                authority=authority,
                details=values.details({**_details(kind, event), **note}),
            ),
        )
        facts.add(event, batch, (server, protocol, port), when)


def _event(record: Record) -> Record:
    """Return the event; AWS Network Firewall puts it below a key of its own record."""
    inner = record.get("event")
    return inner if isinstance(inner, dict) and "event_type" not in record else record


def _ends(kind: str, event: Record) -> tuple[Ends, Authority, Record]:
    """Return the two ends, the client first, how well the event knows them, and a note where it does not."""
    packet = event.get("src_ip"), event.get("src_port"), event.get("dest_ip"), event.get("dest_port")
    if kind == "flow":
        return packet, Authority.FLOW, {}
    if kind in _FROM_CLIENT or (kind == "dns" and part(event, "dns", "type") not in _ANSWERS):
        return packet, Authority.LOG, {}
    if kind == "netflow" and part(event, "tcp", "syn") and not part(event, "tcp", "ack"):
        # One direction, which opened the connection.
        return packet, Authority.LOG, {}
    flow = event.get("flow")
    if isinstance(flow, dict) and "src_ip" in flow and "dest_ip" in flow:
        return (flow["src_ip"], flow.get("src_port"), flow["dest_ip"], flow.get("dest_port")), Authority.LOG, {}
    back = (*packet[2:], *packet[:2])
    direction = event.get("direction")
    if direction in ("to_server", "to_client"):
        return (packet if direction == "to_server" else back), Authority.LOG, {}
    ends = back if values.is_from_server(packet[1], packet[3], packet[2]) else packet
    authority = Authority.PACKET if kind in _ABOUT_PACKETS else Authority.LOG
    return ends, authority, {"direction": BY_PORT}


def _details(kind: str, event: Record) -> Record:
    """Return what else an event reports: of `kind` and of the parts that it has beside that."""
    details: Record = {"event": kind}
    for name, value in event.items():
        if name in _USED or value is None:
            continue
        if type(value) is not dict or name in _BESIDE:
            details[_NAMES.get(name, name)] = values.bounded(value, 1)
            continue
        found = values.bounded_parts(value, 1, _LONG)
        if found.get("command") == "PASS":
            found.pop("command_data", None)
        details.update(found if name in _ONCE else {name: [found]} if found else {})
    if kind == "netflow":
        # Its other half, of the other direction, has counts of its own.
        details["netflow"] = [{"src_ip": event.get("src_ip"), **each} for each in details.get("netflow", ())]
    return details
