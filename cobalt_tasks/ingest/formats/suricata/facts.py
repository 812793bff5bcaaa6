"""What events of Suricata report beside their flow: names, certificates, services, MAC addresses."""

from typing import Any, Final

from cobalt_tasks.core.records import Discovery, FactRank
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.formats import names
from cobalt_tasks.ingest.formats.encoding import base64_or_nothing
from cobalt_tasks.ingest.formats.json_text import part

Record = dict[str, Any]
Server = tuple[str, str, int]

_TOOL: Final = "suricata"
_ADDRESSES: Final = frozenset({"A", "AAAA"})
_LONGEST: Final = 256
_MOST: Final = 64


def add(kind: str, event: Record, batch: Batch, server: Server, when: float | None) -> None:
    """Add the facts of an event.

    Args:
        kind: its type.
        event: the event.
        batch: what they are added to.
        server: address, protocol and port of the server.
        when: epoch seconds, None for the arrival.

    """
    if kind in {"tls", "quic"}:
        _tls(event.get(kind), batch, server, when)
    elif kind == "http":
        _http(event.get("http"), batch, server, when)
    elif kind == "dns":
        _dns(event.get("dns"), batch, when)
    elif kind == "ssh":
        _ssh(event.get("ssh"), batch, server, when)
    elif kind == "dhcp":
        _dhcp(event.get("dhcp"), batch, when)


def _tls(tls: Any, batch: Batch, server: Server, when: float | None) -> None:
    address, protocol, port = server
    batch.name(address, part(tls, "sni"), _TOOL, when)
    batch.name(address, names.common_name(part(tls, "subject")), "certificate", when)
    alternatives = part(tls, "subjectaltname")
    for name in alternatives[:_MOST] if isinstance(alternatives, list) else ():
        batch.name(address, name, "certificate", when)
    chain = part(tls, "chain")
    encoded = part(tls, "certificate") or (chain[0] if isinstance(chain, list) and chain else None)
    if isinstance(encoded, str):
        batch.certificate(address, protocol, port, base64_or_nothing(encoded), when)


def _http(http: Any, batch: Batch, server: Server, when: float | None) -> None:
    # A proxy does not have the names of what is asked through it.
    if part(http, "http_method") != "CONNECT" and names.is_own_request(part(http, "url")):
        batch.name(server[0], names.without_port(part(http, "hostname")), _TOOL, when)


def _dns(dns: Any, batch: Batch, when: float | None) -> None:
    if not isinstance(dns, dict):
        return
    answers = dns.get("answers")
    found = answers if isinstance(answers, list) else [dns]
    for each in found[:_MOST]:
        if not isinstance(each, dict) or "rdata" not in each:
            continue
        if each.get("rrtype") in _ADDRESSES or each.get("rrtype") == "PTR":
            names.answers(batch, each.get("rrname"), [each["rdata"]], when)
    queries = dns.get("queries")
    first = part(queries[0], "rrname") if isinstance(queries, list) and queries else None
    grouped = dns.get("grouped")
    if isinstance(grouped, dict) and not isinstance(answers, list):
        for kind in (*sorted(_ADDRESSES), "PTR"):
            names.answers(batch, dns.get("rrname") or first, grouped.get(kind), when)


def _ssh(ssh: Any, batch: Batch, server: Server, when: float | None) -> None:
    software, version = part(ssh, "server", "software_version"), part(ssh, "server", "proto_version")
    if not isinstance(software, str) or not software:
        return
    address, protocol, port = server
    batch.serve(
        Discovery(
            address=address,
            protocol=protocol,
            port=port,
            observed_at=when,
            service="ssh",
            banner=f"SSH-{version or '2.0'}-{software[:_LONGEST]}".encode(),
            rank=FactRank.TRAFFIC,
            seen_in_traffic=True,
        )
    )


def _dhcp(dhcp: Any, batch: Batch, when: float | None) -> None:
    assigned = part(dhcp, "assigned_ip")
    if part(dhcp, "dhcp_type") != "ack" or not isinstance(assigned, str) or assigned == "0.0.0.0":  # noqa: S104
        return
    address = values.address(assigned, "assigned_ip")
    batch.hardware(address, part(dhcp, "client_mac"), None, when)
    batch.name(address, part(dhcp, "hostname"), "dhcp", when)
