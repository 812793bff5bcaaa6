"""What events of Suricata report beside their flow: names, certificates, services, MAC addresses."""

from typing import Any, Final

from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.formats import names, seen_hosts
from cobalt_tasks.ingest.formats.encoding import base64_or_nothing
from cobalt_tasks.ingest.formats.json_text import part

Record = dict[str, Any]
Server = tuple[str, str, int]

_TOOL: Final = "suricata"
_LONGEST: Final = 256
_MOST: Final = 64


def add(event: Record, batch: Batch, server: Server, when: float | None) -> None:
    """Add the facts of an event, which are in its own part or, of an alert, in those beside it.

    Args:
        event: the event.
        batch: what they are added to.
        server: address, protocol and port of the server.
        when: epoch seconds, None for the arrival.

    """
    for name in ("tls", "quic"):
        if name in event:
            _tls(event[name], batch, server, when)
    if "http" in event:
        _http(event["http"], batch, server, when)
    for name in ("dns", "mdns"):
        if name in event:
            _dns(event[name], batch, when)
    if "ssh" in event:
        _ssh(event["ssh"], batch, server, when)
    if "dhcp" in event:
        _dhcp(event["dhcp"], batch, when)


def neighbour(kind: str, event: Record, batch: Batch) -> bool:
    """Add the host that an answer of ARP is from; return whether the event is such.

    kind: its type; event: the event; batch: what it is added to.
    """
    arp = event.get("arp")
    address, mac = part(arp, "src_ip"), part(arp, "src_mac")
    if (
        kind != "arp"
        or part(arp, "opcode") != "reply"
        or not isinstance(address, str)
        or not values.is_address(address)
    ):
        return False
    host, when = values.address(address, "arp.src_ip"), values.timestamp(event.get("timestamp"))
    seen_hosts.add(batch, host, when=when, mac=mac)
    return True


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
    asked, answered = (_headers(part(http, f"{name}_headers")) for name in ("request", "response"))
    # A proxy does not have the names of what is asked through it.
    is_own = names.is_own_request(part(http, "url") or asked.get(":path"))
    if is_own and "CONNECT" not in (part(http, "http_method"), asked.get(":method")):
        name = part(http, "hostname") or asked.get(":authority") or asked.get("host")
        batch.name(server[0], names.without_port(name), _TOOL, when)
    words = part(http, "server") or answered.get("server")
    if is_own and isinstance(words, str) and words:
        head = f"HTTP/1.1 {status if isinstance(status := part(http, 'status'), int) else 200}"
        banner = f"{head}\r\nServer: {words[:_LONGEST]}\r\n\r\n"
        batch.serve(server, "http", banner.encode("utf-8", "replace"), when)


def _headers(several: Any) -> dict[str, str]:
    """Return headers by their name in lower case; those that are no texts are left out."""
    pairs = [
        (part(each, "name"), part(each, "value")) for each in (several if isinstance(several, list) else ())[:_MOST]
    ]
    return {name.lower(): value for name, value in pairs if isinstance(name, str) and isinstance(value, str)}


def _dns(dns: Any, batch: Batch, when: float | None) -> None:
    if not isinstance(dns, dict):
        return
    queries = dns.get("queries")
    asked = dns.get("rrname") or (part(queries[0], "rrname") if isinstance(queries, list) and queries else None)
    answers = dns.get("answers")
    found = answers if isinstance(answers, list) else [dns]
    for each in found[:_MOST]:
        if isinstance(each, dict) and "rdata" in each:
            names.record(batch, asked, each.get("rrname"), each.get("rrtype"), each["rdata"], when)
    grouped = dns.get("grouped")
    if isinstance(grouped, dict) and not isinstance(answers, list):
        for kind in names.POINTING:
            names.answers(batch, asked, grouped.get(kind), when)


def _ssh(ssh: Any, batch: Batch, server: Server, when: float | None) -> None:
    software, version = part(ssh, "server", "software_version"), part(ssh, "server", "proto_version")
    if not isinstance(software, str) or not software:
        return
    banner = f"SSH-{version or '2.0'}-{software[:_LONGEST]}"
    batch.serve(server, "ssh", banner.encode("utf-8", "replace"), when)


def _dhcp(dhcp: Any, batch: Batch, when: float | None) -> None:
    assigned = part(dhcp, "assigned_ip")
    if part(dhcp, "dhcp_type") != "ack" or not isinstance(assigned, str) or assigned == "0.0.0.0":  # noqa: S104
        return
    address = values.address(assigned, "assigned_ip")
    batch.hardware(address, part(dhcp, "client_mac"), None, when)
    batch.name(address, part(dhcp, "hostname"), "dhcp", when)
