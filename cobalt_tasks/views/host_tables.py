"""Hosts as tables: a list, and all that is known about one."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cobalt_tasks.views.tables import Cell, Column, Output
from cobalt_tasks.views.text import ago, day, iso, printable

_NAMES_SHOWN = 3
_PORTS_SHOWN = 6
_ADDRESS = Column("Address", cut=False)
_LIST = (_ADDRESS, Column("Risk", cut=False, right=True), Column("Place"), Column("Ports"), Column("Names"))
_PORT = Column("Port", cut=False)
_FROM = Column("From")


def print_hosts(hosts: Sequence[Mapping[str, Any]], note: str) -> None:
    """Print `hosts`, one line each; `note`: the reason, if there are none."""
    Output().listing(_LIST, list(map(_list_row, hosts)), note)


def print_host(host: Mapping[str, Any]) -> None:
    """Print all that is known about one host."""
    output = Output()
    output.line(host["address"], "bold")
    output.facts(_about(host), "  ")
    output.line()
    for title, columns, rows in _sections(host):
        if rows:
            output.line(title, "bold")
            output.table(columns, rows, "  ")
            output.line()


def place(host: Mapping[str, Any]) -> str:
    """Return where a host is, in words: city, country, organisation; or else its site of the own networks."""
    parts = (host["city"], host["country_name"] or host["country_code"], host["organisation"])
    return ", ".join(part for part in parts if part) or host.get("site") or ""


def port_row(port: Mapping[str, Any]) -> list[str]:
    """Return the cells of a port: its number, its service, the first line of its banner."""
    product = " ".join(part for part in (port["product"], port["version"]) if part)
    service = " ".join(part for part in (port["service"], f"({product})" if product else "") if part)
    if port.get("seen_in_traffic"):
        service = f"{service} (seen in traffic)".strip()
    return [f"{port['port']}/{port['protocol']}", service, (port["banner"] or "").partition("\n")[0]]


def state(port: Mapping[str, Any]) -> str:
    """Return whether a port is open, and since when it is not."""
    if port["closed_since"] is not None:
        return f"closed since {day(port['closed_since'])}"
    return "open" if port["unconfirmed_since"] is None else f"not confirmed since {day(port['unconfirmed_since'])}"


def _list_row(host: Mapping[str, Any]) -> list[object]:
    ports, names = [service(port) for port in host["ports"]], host["names"]
    score = host["score"]
    risk = (
        Cell("", "dim", "?") if score is None else Cell(f"{score:.2f}", "" if score else "dim", None if score else "·")
    )
    return [
        host["address"],
        risk,
        place(host),
        Cell(", ".join(ports), "", _some(ports, _PORTS_SHOWN)),
        Cell(", ".join(names), "", _some(names, _NAMES_SHOWN)),
    ]


def _sections(host: Mapping[str, Any]) -> Iterable[tuple[str, Sequence[Column], Sequence[Sequence[object]]]]:
    yield (
        "Evidence",
        (Column("Points", cut=False, right=True), Column("Rule", cut=False), Column("Why"), _FROM),
        [_evidence_row(row) for row in host["evidence"]],
    )
    ports = [[number, state(port), *rest] for port in host["ports"] for number, *rest in [port_row(port)]]
    yield "Ports", (_PORT, Column("State", cut=False), Column("Service"), Column("Banner")), ports
    yield "Banners", (_PORT, _FROM, Column("Text")), [_banner_row(banner) for banner in host["banners"]]
    yield (
        "Certificates",
        (_PORT, Column("Valid until", cut=False), Column("Subject, issuer, names")),
        [_certificate_row(row) for row in host["certificates"]],
    )
    yield "Names", (Column("Name"), _FROM, Column("Confirmed")), [_name_row(name) for name in host["hostnames"]]
    yield (
        "MAC addresses",
        (_ADDRESS, Column("Vendor"), _FROM),
        [[row["mac"], row["vendor"], row["source"]] for row in host["hardware_addresses"]],
    )
    yield "Not checked", (Column("What", cut=False), Column("Why")), [[e.check, e.reason] for e in host["not_checked"]]
    yield (
        "Jobs",
        (
            Column("Id", cut=False),
            Column("Kind", cut=False),
            Column("State", cut=False),
            Column("Outcome"),
            Column("Detail"),
        ),
        [_job_row(job) for job in host["jobs"]],
    )
    yield (
        "Connections",
        (Column("Arrived"), Column("From", cut=False), Column("To", cut=False), Column("Process")),
        [_connection_row(row) for row in host["connections"]],
    )  # fmt: skip


def service(port: Mapping[str, Any]) -> str:
    """Return the number of a port and its service."""
    protocol = "" if port["protocol"] == "tcp" else f"/{port['protocol']}"
    return f"{port['port']}{protocol}" + (f" {port['service']}" if port["service"] else "")


def _some(values: Sequence[str], limit: int) -> str:
    rest = len(values) - limit
    return ", ".join(values[:limit]) + (f" and {rest} more" if rest > 0 else "")


def _about(host: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    yield "seen", f"{iso(host['first_seen'])} to {iso(host['last_seen'])}"
    yield "risk", "not scored yet" if host["score"] is None else f"{host['score']:.2f} of 1"
    if own := host["own_network"]:
        yield "site", " · ".join([own.name, *([own.owner] if own.owner else []), *own.tags])
        if own.latitude is not None:
            yield "coordinates", f"{own.latitude:.4f}, {own.longitude:.4f}"
    if not host["provider"]:
        reasons = {each.check: each.reason for each in host["not_checked"]}
        yield "location", f"not checked: {reasons['location']}" if "location" in reasons else "unknown"
        return
    parts = (host["city"], host["region"], host["country_name"], host["country_code"])
    yield "location", ", ".join(part for part in parts if part) or "unknown"
    if host["latitude"] is not None and not (own and own.latitude is not None):
        yield "coordinates", f"{host['latitude']:.4f}, {host['longitude']:.4f}"
    network = (f"AS{host['asn']}" if host["asn"] is not None else None, host["organisation"], host["isp"])
    if any(network):
        yield "network", " · ".join(dict.fromkeys(part for part in network if part))
    yield "located by", f"{host['provider']}, {ago(max(0.0, time.time() - host['located_at']))} ago"


def _evidence_row(row: Mapping[str, Any]) -> list[object]:
    return [f"{row['counted']:+.2f}", row["rule"], row["detail"], f"{row['source']}, {iso(row['observed_at'])}"]


def _banner_row(banner: Mapping[str, Any]) -> list[object]:
    source = " ".join(part for part in (banner["source"], banner["service"]) if part)
    # A line break of a banner is one character of it, not the end of a row.
    return [f"{banner['port']}/{banner['protocol']}", source, printable(banner["text"])]


def _certificate_row(certificate: Mapping[str, Any]) -> list[object]:
    parts = [certificate["subject"], f"by {certificate['issuer']}", *certificate["names"]]
    until = day(certificate["not_after"]) + (" (self-signed)" if certificate["self_signed"] else "")
    return [f"{certificate['port']}/{certificate['protocol']}", until, "; ".join(parts)]


def _name_row(name: Mapping[str, Any]) -> list[object]:
    return [name["name"], name["source"], {True: "yes", False: "no", None: "not asked"}[name["confirmed"]]]


def _job_row(job: Mapping[str, Any]) -> list[object]:
    kind = f"{job['kind']} {job['port']}/{job['protocol']}" if job["port"] else job["kind"]
    return [str(job["id"]), kind, job["state"], job["outcome"], job["detail"]]


def _connection_row(row: Mapping[str, Any]) -> list[object]:
    source = row["src_ip"] if row["src_port"] is None else f"{row['src_ip']} {row['src_port']}"
    return [iso(row["arrived_at"]), source, f"{row['dst_ip']} {row['dst_port']}", row["process"]]
