"""What a whole scan covered and did not list, or listed as closed, is not open any more; a cut one shows nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from cobalt_tasks.cli import cobalt
from cobalt_tasks.core import coverage
from cobalt_tasks.db import tables as models
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts import changes

Ingest = Callable[..., Any]
START = 1760000000
DAY = 86400
COVERS = (coverage.read("192.0.2.0/24,2001:db8::/64:1-1000,53/udp"),)
CUTTABLE = ("list", "json", "xml", "grepable")


def scan(form: str, at: int, *ports: tuple[str, int, str], cut: bool = False) -> str:
    """Return the report of a scan of masscan's or naabu's; each port is (address, port, state); `cut`: without its end."""
    lines = [LINES[form](address, port, state, at) for address, port, state in ports]
    head, end = FRAMES.get(form, ("", ""))
    return head + "".join(lines) + ("" if cut else end)


LINES: dict[str, Callable[[str, int, str, int], str]] = {
    "list": lambda address, port, state, at: f"{state} tcp {port} {address} {at}\n",
    "json": lambda address, port, state, at: (
        f'{{   "ip": "{address}",   "timestamp": "{at}", "ports": [ {{"port": {port}, "proto": "tcp", "status": "{state}"}} ] }}\n,\n'
    ),
    "ndjson": lambda address, port, state, at: (
        f'{{"ip":"{address}","timestamp":"{at}","port":{port},"proto":"tcp","rec_type":"status","data":{{"status":"{state}"}}}}\n'
    ),
    "xml": lambda address, port, state, at: (
        f'<host endtime="{at}"><address addr="{address}" addrtype="ipv4"/><ports><port protocol="tcp" portid="{port}">'
        f'<state state="{state}"/></port></ports></host>\n'
    ),
    "grepable": lambda address, port, state, at: (
        f"Timestamp: {at}\tHost: {address} ()\tPorts: {port}/{state}/tcp//unknown//\n"
    ),
    "text": lambda address, port, state, at: f"Discovered {state} port {port}/tcp on {address}\n",  # noqa: ARG005
    "naabu": lambda address, port, state, at: f"{address}:{port}\n",  # noqa: ARG005
}
FRAMES = {
    "list": ("#masscan\n", "# end\n"),
    "json": ("[\n", "]\n"),
    "xml": ('<?xml version="1.0"?>\n<nmaprun scanner="masscan" start="1">\n', '<runstats><finished time="1"/></runstats>\n</nmaprun>\n'),
    "grepable": ("# Masscan 1.3.2 scan initiated Thu Oct  9 08:53:20 2025\n", "# Masscan done at Thu Oct  9 08:53:30 2025\n"),
}  # fmt: skip


def states(database: Database) -> dict[tuple[str, int], str]:
    """Return the state of each port."""
    ports = models.ports
    with database.reading() as connection:
        rows = connection.execute(
            select(ports.c.address, ports.c.port, ports.c.unconfirmed_since, ports.c.closed_since)
        )
        return {
            (address, port): "closed" if closed else "not confirmed" if unconfirmed else "open"
            for address, port, unconfirmed, closed in rows
        }


def closed(database: Database) -> list[tuple[str, int]]:
    """Return the ports of the changes that closed some."""
    with database.reading() as connection:
        rows = changes.page(connection, 500, after=0)
    return [(row["address"], row["port"]) for row in rows if row["kind"] == "port closed"]


@pytest.mark.parametrize("form", ["list", "text", "naabu"])
def test_absence_from_a_covered_network(database: Database, ingest: Ingest, tmp_path: Path, form: str) -> None:
    """A port that two whole scans in a row do not list is closed, also of a host that is gone; others stay."""
    first = [
        ("192.0.2.1", 22, "open"),
        ("192.0.2.1", 80, "open"),
        ("192.0.2.2", 443, "open"),
        ("192.0.2.2", 8080, "open"),
    ]
    outside = ("198.51.100.1", 22, "open")
    path = tmp_path / "first"
    path.write_text(scan("list", START, *first, outside))
    ingest(path)
    rest = [("192.0.2.1", 22, "open")]
    for number, expected in ((1, "not confirmed"), (2, "closed")):
        path = tmp_path / f"again-{number}"
        path.write_text(scan(form, START + number * DAY, *rest))
        ingest(path, covers=COVERS)
        ingest(path, covers=COVERS)
        found = states(database)
        assert {found["192.0.2.1", 80], found["192.0.2.2", 443]} == {expected}
        assert {found["192.0.2.1", 22], found["192.0.2.2", 8080], found["198.51.100.1", 22]} == {"open"}
    assert closed(database) == [("192.0.2.1", 80), ("192.0.2.2", 443)]


@pytest.mark.parametrize("form", ["json", "xml", "ndjson", "grepable"])
def test_a_cut_scan_shows_no_absence(
    database: Database, ingest: Ingest, tmp_path: Path, said: list[str], form: str
) -> None:
    """A scan without its end, with half a line, or with a record that was rejected leaves every port open, and says so."""
    path = tmp_path / "first"
    path.write_text(
        scan("list", START, ("192.0.2.1", 22, "open"), ("192.0.2.1", 80, "open"), ("192.0.2.3", 80, "open"))
    )
    ingest(path)
    known = states(database)
    for number in (1, 2):
        cut = scan(
            form, START + number * DAY, ("192.0.2.1", 22, "open"), ("192.0.2.1", 80, "closed"), cut=form in CUTTABLE
        )
        for name, text in (
            (f"cut-{number}", cut if form in CUTTABLE else cut[:-4]),
            (f"odd-{number}", odd(form, number)),
        ):
            path = tmp_path / name
            path.write_text(text)
            ingest(path, covers=COVERS)
            assert any(str(path) in line and line.endswith("is taken as closed") for line in said), said
    assert {port: states(database)[port] for port in known} == known


def odd(form: str, number: int) -> str:
    """Return a scan with a record that no format can read."""
    whole = scan(form, START + number * DAY + 60, ("192.0.2.1", 22, "open"), ("192.0.2.1", 22, "open"))
    return whole.replace("192.0.2.1", "192.0.2.999", 1) if form != "naabu" else whole + "192.0.2.1:99999\n"


@pytest.mark.parametrize("form", ["list", "json", "xml", "grepable"])
def test_masscan_lists_closed_ports(database: Database, ingest: Ingest, tmp_path: Path, form: str) -> None:
    """A port that masscan reports closed is closed once the scan has its end, without a word about what it covers."""
    path = tmp_path / "first"
    path.write_text(scan("list", START, ("192.0.2.1", 22, "open"), ("192.0.2.1", 80, "open")))
    ingest(path)
    path = tmp_path / "second"
    path.write_text(scan(form, START + DAY, ("192.0.2.1", 22, "open"), ("192.0.2.1", 80, "closed")))
    ingest(path)
    assert closed(database) == [("192.0.2.1", 80)]


NMAP_HEAD = "# Nmap 7.93 scan initiated Thu Oct 30 08:53:20 2025 as: nmap -p 1-1000 -o{} out 192.0.2.0/24\n"
NMAP_END = "# Nmap done at Thu Oct 30 08:53:30 2025 -- 1 IP address (1 host up) scanned in 0.11 seconds\n"
GREPABLE = NMAP_HEAD.format("G") + (
    "Host: 192.0.2.1 ()\tStatus: Up\n"
    "Host: 192.0.2.1 ()\tPorts: 21/closed/tcp//ftp///, 22/open/tcp//ssh///\tIgnored State: {} (998)\n"
)
NORMAL = NMAP_HEAD.format("N") + (
    "Nmap scan report for 192.0.2.1\nHost is up (0.1s latency).\nNot shown: 998 {} tcp ports (reset)\nPORT   STATE  SERVICE\n"
    "21/tcp closed ftp\n22/tcp open   ssh\n\n"
)


@pytest.mark.parametrize("form", [GREPABLE, NORMAL], ids=["grepable", "normal"])
@pytest.mark.parametrize("rest", ["closed", "filtered"])
def test_text_outputs_of_nmap(database: Database, ingest: Ingest, tmp_path: Path, form: str, rest: str) -> None:
    """They close what they list as closed, and of the ports of -p all others where these are closed; none when cut."""
    path = tmp_path / "first"
    listed = [("192.0.2.1", port, "open") for port in (21, 22, 80, 8080)]
    path.write_text(scan("list", START, *listed))
    ingest(path)
    path = tmp_path / "cut"
    path.write_text(form.format(rest))
    ingest(path)
    assert set(states(database).values()) == {"open"}
    path = tmp_path / "whole"
    path.write_text(form.format(rest) + NMAP_END)
    ingest(path)
    found = states(database)
    expected = "closed" if rest == "closed" else "not confirmed"
    assert [found["192.0.2.1", port] for port in (21, 22, 80, 8080)] == ["closed", "open", expected, "open"]


@pytest.mark.parametrize(
    "text",
    ["192.0.2.0/24", "192.0.2.0/24:", "192.0.2.0/24:70000", "192.0.2.0/24:80-22", "x:22", "192.0.2.5/24:22", ":22"],
)
def test_bad_coverage_is_one_line(home: Path, tmp_path: Path, text: str) -> None:
    """What --covers cannot mean ends with 2 and one line that shows the form or the mistake."""
    path = tmp_path / "scan"
    path.write_text("#masscan\n# end\n")
    shown = CliRunner().invoke(cobalt, ["ingest", str(path), "--covers", text])
    assert shown.exit_code != 0
    assert "--covers" in str(shown.exception)
    assert "\n" not in str(shown.exception)
