"""Reads what tools wrote with nothing but json, csv and xml: what the ledger must hold then.

It shares no code with the product: where both agree, neither can have made the same mistake by calling the same function.
"""

import csv
import gzip
import json
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

Row = dict[str, Any]
Facts = dict[str, Any]


def zeek_rows(path: Path) -> Iterator[Row]:
    """Yield the lines of a log, with the columns that are set; vectors are lists."""
    text = path.read_text()
    if not text.startswith("#"):
        yield from map(json.loads, text.splitlines())
        return
    names: list[str] = []
    kinds: list[str] = []
    for cells in csv.reader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE):
        if cells[0] == "#fields":
            names = cells[1:]
        elif cells[0] == "#types":
            kinds = cells[1:]
        elif not cells[0].startswith("#"):
            row = zip(names, kinds, cells, strict=True)
            yield {name: _zeek_value(kind, cell) for name, kind, cell in row if cell != "-"}


def _zeek_value(kind: str, cell: str) -> Any:
    if kind.startswith(("vector", "set")):
        return [] if cell == "(empty)" else cell.split(",")
    if kind in {"time", "interval"}:
        return float(cell)
    return int(cell) if kind in {"port", "count"} else cell


def zeek(conn: Path, ssl: Path, x509: Path) -> Facts:
    """Return connections, certificates, which server showed which, and names."""
    connections, protocols, names, shown = {}, {}, set(), set()
    for row in zeek_rows(conn):
        is_icmp = row["proto"] == "icmp"
        ports = (0, 0) if is_icmp else (row["id.orig_p"], row["id.resp_p"])
        ends = (row["id.orig_h"], ports[0], row["id.resp_h"], ports[1])
        protocols[row["uid"]] = row["proto"]
        kept = {name: row[name] for name in ("service", "conn_state", "orig_bytes", "resp_bytes") if name in row}
        connections[row["uid"]] = (*ends, row["proto"], round(row["ts"], 6), kept)
    certificates = {row["fingerprint"]: _zeek_certificate(row) for row in zeek_rows(x509)}
    for row in zeek_rows(ssl):
        server = row["id.resp_h"]
        kept = {name: row[name] for name in ("version", "cipher", "server_name") if name in row}
        connections[row["uid"]][-1].update(kept)
        if "server_name" in row:
            names.add((server, row["server_name"], "zeek"))
        for leaf in row.get("cert_chain_fps", [])[:1]:
            shown.add((server, protocols[row["uid"]], row["id.resp_p"], leaf))
            names |= {(server, each, "certificate") for each in certificates[leaf]["names"] if "*" not in each}
    names = {
        each for each in names if any(letter.isalpha() for letter in each[1].rpartition(".")[2]) and ":" not in each[1]
    }
    return {"connections": connections, "certificates": certificates, "shown": shown, "names": names}


def _zeek_certificate(row: Row) -> Row:
    common = row["certificate.subject"].split(",")[0].removeprefix("CN=")
    names = {*row.get("san.dns", []), *row.get("san.ip", []), *({common} if "." in common else ())}
    return {
        "subject": row["certificate.subject"],
        "issuer": row["certificate.issuer"],
        "serial": row["certificate.serial"].lower(),
        "span": (row["certificate.not_valid_before"], row["certificate.not_valid_after"]),
        "names": sorted(names),
    }


def eve_events(files: Iterable[Path]) -> Iterator[Row]:
    """Yield the events of several pieces of one log."""
    for path in files:
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
            yield from map(json.loads, lines)


def _when(text: str) -> float:
    return round(datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z").timestamp(), 6)


def eve(files: Iterable[Path]) -> Facts:
    """Return connections, the alerts of each, and names."""
    by_flow = defaultdict(list)
    names = set()
    for event in eve_events(files):
        if "flow_id" in event:
            by_flow[str(event["flow_id"])].append(event)
            names |= _eve_names(event)
    return {"connections": {flow: _eve_connection(events) for flow, events in by_flow.items()}, "names": names}


def _eve_connection(events: list[Row]) -> tuple[Any, ...]:
    ranked = sorted((_eve_view(event) for event in events), key=lambda view: (-view[0], view[1]))
    _, when, ends = ranked[0]
    alerts = sorted(each["alert"]["signature_id"] for each in events if "alert" in each)
    kept = {
        "alerts": sorted(set(alerts)),
        "bytes": max([each["flow"]["bytes_toserver"] for each in events if each["event_type"] == "flow"], default=None),
        "sni": next((each["tls"]["sni"] for each in events if "tls" in each), None),
    }
    return (*ends, events[0]["proto"].lower(), when, kept)


def _eve_view(event: Row) -> tuple[int, float, tuple[Any, ...]]:
    """Return how well an event knows its flow, when it started by that, and its two ends, the client first."""
    ends = (event["src_ip"], event["src_port"], event["dest_ip"], event["dest_port"])
    when = _when(event.get("flow", {}).get("start", event["timestamp"]))
    if event["event_type"] == "flow":
        return 2, when, ends
    if event["event_type"] not in {"alert", "fileinfo"}:
        return 1, when, ends
    if "src_ip" in event.get("flow", {}):
        flow = event["flow"]
        return 1, when, (flow["src_ip"], flow["src_port"], flow["dest_ip"], flow["dest_port"])
    if "direction" in event:
        return 1, when, ends if event["direction"] == "to_server" else (*ends[2:], *ends[:2])
    # Nothing but the ports is left: the lower one is the server's.
    return 0, when, ends if ends[1] > ends[3] else (*ends[2:], *ends[:2])


def _eve_names(event: Row) -> set[tuple[str, str, str]]:
    server, names = event["dest_ip"], set()
    if event["event_type"] in {"tls", "quic"}:
        names.add((server, event[event["event_type"]]["sni"], "suricata"))
    if event["event_type"] == "tls":
        names.add((server, event["tls"]["subject"].split(",")[0].removeprefix("CN="), "certificate"))
    if event["event_type"] == "http":
        names.add((server, event["http"]["hostname"], "suricata"))
    for answer in event.get("dns", {}).get("answers", []):
        names.add((answer["rdata"], answer["rrname"], "dns"))
    return names


def nmap(path: Path) -> Facts:
    """Return the ports, services and names of nmap's XML, which has each of them apart."""
    ports, names, hosts = {}, set(), set()
    for host in ET.parse(path).getroot().iterfind("host"):
        if host.find("status").get("state") != "up":  # type: ignore[union-attr]
            continue
        address = next(each.get("addr") for each in host.iterfind("address") if each.get("addrtype") != "mac")
        hosts.add(address)
        names |= {(address, each.get("name"), "ptr") for each in host.iterfind("hostnames/hostname")}
        for port in host.iterfind("ports/port"):
            if port.find("state").get("state") == "open":  # type: ignore[union-attr]
                key = (address, port.get("protocol"), int(port.get("portid") or 0))
                ports[key] = _nmap_service(port.find("service"))
    return {"hosts": hosts, "ports": ports, "names": names}


def _nmap_service(service: ET.Element | None) -> tuple[str | None, str | None, str | None]:
    """Return service, product and version; nothing where the name only stands for the number of the port."""
    if service is None or service.get("method") != "probed":
        return None, None, None
    name = {"domain": "dns"}.get(service.get("name") or "", service.get("name"))
    if service.get("tunnel") == "ssl":
        name = {"http": "https", "imap": "imaps"}[name or ""]
    return name, service.get("product"), service.get("version")
