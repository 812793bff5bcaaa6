"""Status and hosts as tables for people: coloured on a terminal, plain elsewhere, within 80 columns."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cobalt_tasks.core.records import State
from cobalt_tasks.ingest.streams.leftover import summary
from cobalt_tasks.views.status import SystemStatus
from cobalt_tasks.views.tables import console as _console
from cobalt_tasks.views.tables import table as _table
from cobalt_tasks.views.tables import text as _text
from cobalt_tasks.views.text import ago, iso, printable

_SOURCES_SHOWN = 15
_NAMES_SHOWN = 3
_PORTS_SHOWN = 6
_LATE_SECONDS = 30.0
"""Scoring leaves the newest seconds to its next round."""

_LONGEST_CELL = 200
_LONGEST_LINE = 60
_STATE_STYLES = {State.DONE: "green", State.FAILED: "yellow", State.DEAD: "bold red", State.RUNNING: "cyan"}
_BEHIND_STYLES = ((60.0, "bold red"), (5.0, "yellow"))
"""Minutes behind from which a queue is overloaded, and from which it is busy; the page has the same."""
_COUNTERS = ("read", "accepted", "duplicates", "rejected", "ignored")


def print_status(status: SystemStatus) -> None:
    """Print the status, one table after the other; an empty part is one line that states it."""
    console = _console()
    for reason in status.health.reasons:
        console.print(_text(reason.text, "bold red" if reason.stops else "yellow"))
    for note in status.health.notes:
        console.print(_text(note, "dim"))
    for title, part in (
        ("Sources", _sources(status)),
        *([("Journals", _text(summary(status.journals), "yellow"))] if status.journals else []),
        ("Known", _known(status)),
        ("Jobs", _jobs(status)),
        ("Queues", _queues(status)),
        ("Providers", _providers(status)),
        ("Workers", _workers(status)),
        *_latest(status),
    ):
        console.print(Text(title, style="bold"))
        console.print(Padding(part, (0, 0, 1, 2), expand=False))


def print_hosts(hosts: Sequence[Mapping[str, Any]], note: str) -> None:
    """Print `hosts`, one or more lines each; `note`: the reason, if there are none."""
    console = _console()
    if not hosts:
        console.print(note)
        return
    table = _table(("Address", "left"), ("Risk", "right"), ("Place", "left"), ("Ports", "left"), ("Names", "left"))
    for host in hosts:
        ports = [_service(port) for port in host["ports"]]
        names = host["names"]
        table.add_row(
            _text(host["address"]),
            _risk(host["score"]),
            _text(_place(host)),
            _text(_some(ports, _PORTS_SHOWN)),
            _text(_some(names, _NAMES_SHOWN)),
        )
    console.print(table)


def print_host(host: Mapping[str, Any]) -> None:
    """Print all that is known about one host."""
    console = _console()
    console.print(Text(printable(host["address"]), style="bold"))
    facts = Table.grid(padding=(0, 2))
    for name, value in _about(host):
        facts.add_row(Text(name, style="dim"), _text(value))
    console.print(Padding(facts, (0, 0, 1, 2), expand=False))
    sections: Iterable[tuple[str, Sequence[str], list[list[str]]]] = (
        ("Evidence", ("Points", "Rule", "Why", "From"), [_evidence_row(row) for row in host["evidence"]]),
        ("Ports", ("Port", "Service", "Banner"), [_port_row(port) for port in host["ports"]]),
        ("Banners", ("Port", "From", "Said"), [_banner_row(banner) for banner in host["banners"]]),
        ("Certificates", ("Port", "Subject, issuer, names", "Valid until"), list(map(_cert_row, host["certificates"]))),
        ("Names", ("Name", "From", "Confirmed"), [_name_row(name) for name in host["hostnames"]]),
        ("MAC addresses", ("Address", "Vendor", "From"), [_hardware_row(row) for row in host["hardware_addresses"]]),
        ("Not checked", ("What", "Why"), [[each.check, each.reason] for each in host["not_checked"]]),
        ("Jobs", ("Id", "Kind", "State", "Outcome", "Detail"), [_job_row(job) for job in host["jobs"]]),
        ("Connections", ("Arrived", "From", "To", "Process"), [_connection_row(row) for row in host["connections"]]),
    )
    for title, columns, rows in sections:
        if rows:
            table = _table(*((column, "left") for column in columns))
            for row in rows:
                table.add_row(*map(_text, row))
            console.print(Text(title, style="bold"))
            console.print(Padding(table, (0, 0, 1, 2), expand=False))


def _number(value: int | None, style: str = "") -> Text:
    if value is None:
        return Text("?", style="yellow")
    return Text(f"{value:,}" if value else "·", style=style if value else "dim")


def _sources(status: SystemStatus) -> RenderableType:
    if not status.sources:
        return "nothing was read yet: cobalt ingest FILE"
    table = _table(("source", "left"), *((name, "right") for name in _COUNTERS))
    for source in status.sources[:_SOURCES_SHOWN]:
        name = source.name if source.generation == 1 else f"{source.name} (generation {source.generation})"
        counters = [_number(getattr(source, counter)) for counter in _COUNTERS]
        counters[3].stylize("yellow" if source.rejected else "dim")
        table.add_row(_text(name), *counters)
    if (count := status.ledger["sources"]) > len(status.sources[:_SOURCES_SHOWN]):
        table.add_row(Text(f"all {count} sources", style="bold"), *(_number(status.ledger[name]) for name in _COUNTERS))
    return table


def _known(status: SystemStatus) -> RenderableType:
    located = status.geolocation
    counts = ("connections", "hosts", "ports", "domains", "certificates")
    known = " · ".join(f"{getattr(status, name):,} {name}" for name in counts)
    share = f"{located.located:,} of {located.hosts:,} public hosts located ({located.coverage:.0%})"
    lines = [known, f"{share}, {status.countries:,} countries", _scoring(status)]
    if status.certificates_expired or status.certificates_expiring:
        soon = f"{status.certificates_expiring:,} certificates expire within 30 days"
        lines.append(f"{soon}, {status.certificates_expired:,} have expired: cobalt certificates")
    lines += [f"{each.title}: {each.age_days:.0f} d old" + (" (too old)" if each.old else "") for each in status.geodb]
    lines += dict.fromkeys(each.attribution for each in status.geodb if each.attribution)
    if not status.geodb:
        lines.append(status.geodb_trouble or "no local geolocation database here: cobalt geodb update fetches one")
    return Text("\n".join(map(printable, lines)))


def _scoring(status: SystemStatus) -> str:
    lag = status.scoring
    if lag.seconds <= _LATE_SECONDS:
        return "scores: up to date"
    return f"scores: {ago(lag.seconds)} behind, {lag.observations:,} connections not looked at"


def _jobs(status: SystemStatus) -> RenderableType:
    table = _table(("kind", "left"), *((state.value, "right") for state in State))
    for kind, states in status.jobs.items():
        table.add_row(_text(kind), *(_number(states.get(s.value, 0), _STATE_STYLES.get(s, "")) for s in State))
    return table


def _queues(status: SystemStatus) -> RenderableType:
    headings = ("messages", "jobs", "oldest", "started/min", "finished/min", "behind")
    table = _table(("queue", "left"), *((heading, "right") for heading in headings))
    for name, queue in status.queues.items():
        table.add_row(
            _text(name),
            _number(queue.messages),
            _number(queue.jobs),
            ago(queue.oldest_seconds),
            _number(queue.started_per_minute),
            _number(queue.finished_per_minute),
            _behind(queue.minutes_behind),
        )
    return table


def _behind(minutes: float) -> Text:
    style = next((style for least, style in _BEHIND_STYLES if minutes >= least), "")
    return Text("·", style="dim") if minutes * 60 < 1 else Text(f"{ago(minutes * 60)}", style=style)


def _providers(status: SystemStatus) -> RenderableType:
    table = _table(("provider", "left"), ("calls left", "right"), ("resets in", "right"), ("state", "left"))
    for name, provider in status.providers.items():
        remaining = Text("–", style="dim") if provider.remaining is None else Text(f"{provider.remaining:,}")
        state = _text(f"not asked: {provider.reason or 'failures'}", "yellow") if provider.open else Text("ready")
        table.add_row(_text(name), remaining, ago(provider.resets_in), state)
    return table


def _workers(status: SystemStatus) -> RenderableType:
    if status.broker is not None:
        # Why is among what is wrong, at the top.
        return Text("not known while Redis does not answer", style="yellow")
    if not status.workers:
        return Text("none answers: jobs wait in the ledger", style="yellow")
    table = _table(("worker", "left"), ("state", "left"), ("queues", "left"))
    for worker in status.workers:
        state = Text("alive", style="green") if worker.alive else Text("gone", style="red")
        table.add_row(_text(worker.name), state, _text(", ".join(worker.queues)))
    return table


def _latest(status: SystemStatus) -> Iterable[tuple[str, RenderableType]]:
    """Yield what was found last, as far as there is any."""
    found: Iterable[tuple[str, Sequence[str], list[list[str]]]] = (
        (
            "Latest banners",
            ("address", "port", "service", "banner"),
            [_latest_banner_row(row) for row in status.latest.banners],
        ),
        (
            "Latest certificates",
            ("address", "port", "names", "valid until"),
            [_latest_certificate_row(row) for row in status.latest.certificates],
        ),
        (
            "Latest locations",
            ("address", "place", "coordinates"),
            [[row["address"], _place(row), _coordinates(row)] for row in status.latest.locations],
        ),
    )
    for title, columns, rows in found:
        if rows:
            table = _table(*((column, "left") for column in columns))
            for row in rows:
                table.add_row(*(_text(_shortened(cell)) for cell in row))
            yield title, table


def _latest_banner_row(row: Mapping[str, Any]) -> list[str]:
    port, service, banner = _port_row(row)
    return [row["address"], port, service, banner.partition("\n")[0][:_LONGEST_LINE]]


def _latest_certificate_row(row: Mapping[str, Any]) -> list[str]:
    names = ", ".join(row["names"]) or row["subject"]
    return [row["address"], f"{row['port']}/{row['protocol']}", names, (iso(row["not_after"]) or "")[:10]]


def _coordinates(row: Mapping[str, Any]) -> str:
    return "" if row["latitude"] is None else f"{row['latitude']:.2f}, {row['longitude']:.2f}"


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_CELL else f"{text[:_LONGEST_CELL]}…"


def _place(host: Mapping[str, Any]) -> str:
    parts = (host["city"], host["country_name"] or host["country_code"], host["organisation"])
    return ", ".join(part for part in parts if part)


def _service(port: Mapping[str, Any]) -> str:
    protocol = "" if port["protocol"] == "tcp" else f"/{port['protocol']}"
    return f"{port['port']}{protocol}" + (f" {port['service']}" if port["service"] else "")


def _some(values: Sequence[str], limit: int) -> str:
    rest = len(values) - limit
    return ", ".join(values[:limit]) + (f" and {rest} more" if rest > 0 else "")


def _risk(score: float | None) -> Text:
    if score is None:
        return Text("?", style="dim")
    return Text(f"{score:.2f}" if score else "·", style="" if score else "dim")


def _about(host: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    yield "seen", f"{iso(host['first_seen'])} to {iso(host['last_seen'])}"
    yield "risk", "not scored yet" if host["score"] is None else f"{host['score']:.2f} of 1"
    if not host["provider"]:
        reasons = {each.check: each.reason for each in host["not_checked"]}
        yield "location", f"not checked: {reasons['location']}" if "location" in reasons else "unknown"
        return
    place = ", ".join(
        part for part in (host["city"], host["region"], host["country_name"], host["country_code"]) if part
    )
    yield "location", place or "unknown"
    if host["latitude"] is not None:
        yield "coordinates", f"{host['latitude']:.4f}, {host['longitude']:.4f}"
    network = (f"AS{host['asn']}" if host["asn"] is not None else None, host["organisation"], host["isp"])
    if any(network):
        yield "network", " · ".join(dict.fromkeys(part for part in network if part))
    yield "located by", f"{host['provider']}, {ago(max(0.0, time.time() - host['located_at']))} ago"


def _evidence_row(row: Mapping[str, Any]) -> list[str]:
    return [f"{row['counted']:+.2f}", row["rule"], row["detail"], f"{row['source']}, {iso(row['observed_at'])}"]


def _port_row(port: Mapping[str, Any]) -> list[str]:
    product = " ".join(part for part in (port["product"], port["version"]) if part)
    service = " ".join(part for part in (port["service"], f"({product})" if product else "") if part)
    if port.get("seen_in_traffic"):
        service = f"{service} (seen in traffic)".strip()
    return [f"{port['port']}/{port['protocol']}", service, (port["banner"] or "").partition("\n")[0]]


def _banner_row(banner: Mapping[str, Any]) -> list[str]:
    source = " ".join(part for part in (banner["source"], banner["service"]) if part)
    return [f"{banner['port']}/{banner['protocol']}", source, banner["text"]]


def _cert_row(certificate: Mapping[str, Any]) -> list[str]:
    said = [certificate["subject"], f"by {certificate['issuer']}", *certificate["names"]]
    until = (iso(certificate["not_after"]) or "")[:10] + (" (self-signed)" if certificate["self_signed"] else "")
    return [f"{certificate['port']}/{certificate['protocol']}", "; ".join(said), until]


def _name_row(name: Mapping[str, Any]) -> list[str]:
    return [name["name"], name["source"], {True: "yes", False: "no", None: "not asked"}[name["confirmed"]]]


def _hardware_row(row: Mapping[str, Any]) -> list[str]:
    return [row["mac"], row["vendor"] or "", row["source"]]


def _job_row(job: Mapping[str, Any]) -> list[str]:
    kind = f"{job['kind']} {job['port']}/{job['protocol']}" if job["port"] else job["kind"]
    return [str(job["id"]), kind, job["state"], job["outcome"] or "", job["detail"] or ""]


def _connection_row(row: Mapping[str, Any]) -> list[str]:
    source = row["src_ip"] if row["src_port"] is None else f"{row['src_ip']} {row['src_port']}"
    return [iso(row["arrived_at"]) or "", source, f"{row['dst_ip']} {row['dst_port']}", row["process"] or ""]
