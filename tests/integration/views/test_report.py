"""`cobalt report`: one file that runs nothing, is bounded, and prints."""

import re
import subprocess
import time
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

from click.testing import CliRunner
from sqlalchemy import insert

from cobalt_tasks.cli.report import report as command
from cobalt_tasks.core.records import Certificate, Facts, Sighting
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db import tables as models
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts import facts
from cobalt_tasks.views.report import contents
from cobalt_tasks.views.report.document import render
from tests.support.browser import program
from tests.support.recount import recount
from tests.support.waiting import PATIENCE

Fill = Callable[[Database], None]
EVIL = "<script>alert(1)</script>"


class Tags(HTMLParser):
    """The tags of a document, the addresses in its attributes, and its text."""

    def __init__(self, text: str) -> None:
        """Read a document."""
        super().__init__()
        self.tags: set[str] = set()
        self.links: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.add(tag)
        self.links |= {value or "" for name, value in attrs if name in {"href", "src"} or name.startswith("on")}

    def handle_data(self, data: str) -> None:
        """Note text."""
        self.text += f"{data} "


def made(database: Database, settings: Settings, query: str = "", days: float = 7) -> str:
    """A report."""
    now = time.time()
    return render(
        contents.collect(
            database, settings, contents.ReportQuery(query=query, since=now - days * 86400, until=now)
        )
    )  # fmt: skip


def add_evil(database: Database) -> None:
    """Write hostile text wherever strangers choose it."""
    now = time.time()
    found = {"rule": "risky_port", "subject": "tcp/22", "points": 0.3, "source": "scan", "observed_at": now}
    host = {"address": "198.51.100.7", "rule_version": "1"}
    port = {"address": "198.51.100.7", "protocol": "tcp", "port": 8080, "first_seen": now, "last_seen": now}
    change = {"kind": "name added", "recorded_at": now, "observed_at": now, "address": "198.51.100.7", "protocol": ""}
    name = {"address": "198.51.100.7", "name": EVIL, "source": "ptr", "first_seen": now, "last_seen": now}
    with database.writing() as connection:
        connection.execute(insert(models.findings), [{**found, **host, "detail": EVIL}])
        connection.execute(insert(models.scores), [{**host, "score": 0.7, "scored_at": now}])
        connection.execute(insert(models.ports), [{**port, "product": EVIL, "version": "\x1b[2J"}])
        connection.execute(insert(models.changes), [{**change, "port": 0, "new": EVIL, "source_id": 0}])
        connection.execute(insert(models.hostnames), [name])
        recount(connection)


def test_a_report_has_its_parts_and_runs_nothing(database: Database, live_settings: Settings, fill: Fill) -> None:
    """Summary, map, changes, riskiest hosts with reasons, certificates, appendix; hostile text is text.

    Invariant 9 of docs/architecture.md. Break: join text instead of elements in views/report/elements.py.
    """
    fill(database)
    add_evil(database)
    parsed = Tags(made(database, live_settings))
    assert not parsed.tags & {"script", "img", "iframe", "link", "object", "form", "a", "b"}
    assert parsed.links == set()
    for part in ("4 hosts", "2 changes since", "Where the hosts are", "new name: <script>", "0.70", "www.example.com"):
        assert part in re.sub(r"\s+", " ", parsed.text), part
    assert parsed.text.count(EVIL) >= 4
    assert "\x1b" not in parsed.text
    assert "svg" in parsed.tags


def test_a_report_of_a_query_is_about_its_hosts(
    sqlite_database: Database, sqlite_settings: Settings, fill: Fill
) -> None:
    """Other hosts are not in it; a query that cannot be used is an error of usage."""
    fill(sqlite_database)
    text = made(sqlite_database, sqlite_settings, "port:22")
    assert "198.51.100.7" in text
    assert "198.51.100.8" not in text
    done = CliRunner().invoke(command, ["port:a"])
    assert getattr(done.exception, "exit_code", None) == 2
    assert "No host matches" in made(sqlite_database, sqlite_settings, "port:1")


def test_a_certificate_stands_only_with_the_ports_that_show_it(
    sqlite_database: Database, sqlite_settings: Settings, fill: Fill
) -> None:
    """Not with those where another one has taken its place. Break: `replaced_by` in views/certificates.py."""
    fill(sqlite_database)
    now = time.time()
    renewed = Certificate(
        fingerprint="cd" * 32, der=b"0", subject="CN=www.example.com", issuer="CN=Example CA", serial="2",
        not_before=now, not_after=now + 90 * 86400, self_signed=False, names=("example.com", "www.example.com"),
    )  # fmt: skip
    seen = {"address": "198.51.100.7", "protocol": "tcp", "source": "probe"}
    sightings = [
        Sighting(fingerprint="ab" * 32, port=8443, observed_at=now, **seen),
        Sighting(fingerprint="cd" * 32, port=443, observed_at=now + 2 * 86400, **seen),
    ]
    with sqlite_database.writing() as connection:
        facts.write(connection, Facts(certificates=[renewed], sightings=sightings))
    text = Tags(made(sqlite_database, sqlite_settings)).text
    assert "198.51.100.7 8443/tcp" in text
    assert "198.51.100.7 443/tcp" not in text


def test_an_empty_ledger_has_a_report(sqlite_database: Database, sqlite_settings: Settings) -> None:
    """Each part says in words that there is nothing."""
    text = made(sqlite_database, sqlite_settings)
    for part in ("Nothing changed", "No host has a finding", "No certificate in use", "No host matches"):
        assert part in text


def test_a_report_is_bounded(sqlite_database: Database, sqlite_settings: Settings) -> None:
    """Of many hosts the first 500 are listed, and how many there are. Break: `HOSTS` in views/report/contents.py."""
    seen = {"first_seen": 1.0, "last_seen": 2.0, "discovered": True}
    rows = [{"address": f"10.0.{n // 250}.{n % 250}", **seen} for n in range(1_200)]
    with sqlite_database.writing() as connection:
        connection.execute(insert(models.hosts), rows)
        recount(connection)
    text = made(sqlite_database, sqlite_settings)
    assert "The first 500 of 1,200" in text
    assert text.count("<td>10.0.") == 500
    assert len(text) < 400_000


def test_chromium_prints_it(sqlite_database: Database, sqlite_settings: Settings, fill: Fill, tmp_path: Path) -> None:
    """The command writes a file of which Chromium makes a PDF with pages."""
    fill(sqlite_database)
    page, pdf = tmp_path / "report.html", tmp_path / "report.pdf"
    done = CliRunner().invoke(command, ["--since", "2026-01-01", "--output", str(page)])
    assert done.exit_code == 0, done.output
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    target = [f"--print-to-pdf={pdf}", "--no-pdf-header-footer", page.as_uri()]
    subprocess.run([program(), *options, *target], capture_output=True, timeout=PATIENCE, check=True)
    assert pdf.read_bytes().startswith(b"%PDF-")
    assert len(re.findall(rb"/Type\s*/Page\b", pdf.read_bytes())) >= 2


def test_a_full_disk_is_one_line_and_leaves_nothing(
    sqlite_database: Database, sqlite_settings: Settings, fill: Fill
) -> None:
    """Writing to a device that is full ends with one line and code 1."""
    fill(sqlite_database)
    done = CliRunner().invoke(command, ["--output", "/dev/full"])
    assert getattr(done.exception, "exit_code", None) == 1
    assert str(done.exception) == "--output: /dev/full cannot be written: No space left on device"
