"""`cobalt export` against real ledgers."""

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import insert

from cobalt_tasks.cli.export import _FORMATS, _TABLES
from cobalt_tasks.cli.export import export as command
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db import tables as models
from cobalt_tasks.db.engine import Database
from cobalt_tasks.views.export import FORMATS, TABLES, export
from tests.support.waiting import PATIENCE

Fill = Callable[[Database], None]


def written(database: Database, table: str, form: str) -> str:
    """What an export writes."""
    output = io.StringIO()
    count = export(database, table, form, output)
    lines = output.getvalue()
    if form == "ndjson":
        assert count == len(lines.splitlines())
    return lines


def test_help_names_every_table_and_format() -> None:
    """The choices of the command are those that exist."""
    assert tuple(TABLES) == _TABLES
    assert tuple(FORMATS) == _FORMATS


@pytest.mark.parametrize("table", list(TABLES))
def test_both_formats_hold_the_same_rows(database: Database, fill: Fill, table: str) -> None:
    """CSV and NDJSON have the same columns in the same order and as many rows, at least one."""
    fill(database)
    if table == "findings":
        found = {"rule": "risky_port", "subject": "tcp/22", "points": 0.3, "source": "scan", "observed_at": 1.0}
        with database.writing() as connection:
            rest = {"address": "198.51.100.7", "detail": "tcp/22 is open", "rule_version": "1"}
            connection.execute(insert(models.findings), [{**found, **rest}])
    rows = [json.loads(line) for line in written(database, table, "ndjson").splitlines()]
    parsed = list(csv.DictReader(io.StringIO(written(database, table, "csv"))))
    assert len(rows) == len(parsed) >= 1
    assert list(rows[0]) == list(parsed[0])


def test_empty_tables(database: Database) -> None:
    """An empty table is a CSV header, and an empty NDJSON."""
    assert written(database, "hosts", "csv").startswith("address,first_seen,")
    assert written(database, "hosts", "ndjson") == ""


def test_ndjson_types(database: Database, fill: Fill) -> None:
    """Numbers are numbers, lists lists, moments ISO 8601 in UTC, the unknown null."""
    fill(database)
    host, zero, unknown, _ = sorted(
        map(json.loads, written(database, "hosts", "ndjson").splitlines()),
        key=lambda row: (not row["address"].startswith("198"), row["address"]),
    )
    assert (host["country_code"], host["asn"], host["latitude"]) == ("NL", 64496, 52.37)
    assert host["open_ports"] == [22]
    assert host["names"] == ["<b>hostile</b>.example", "www.example.com"]
    assert host["first_seen"].endswith("Z")
    assert (zero["latitude"], zero["longitude"]) == (0.0, 0.0)
    assert (unknown["latitude"], unknown["country_code"], unknown["names"]) == (None, None, [])


def test_port_row_carries_banner_service_and_product(database: Database, fill: Fill) -> None:
    """A port row says what was heard there."""
    fill(database)
    row = json.loads(written(database, "ports", "ndjson").splitlines()[0])
    assert (row["port"], row["service"], row["product"]) == (22, "ssh", "OpenSSH")
    assert row["banner"].startswith("SSH-2.0-OpenSSH_9.6p1")


def test_csv_runs_nothing_in_a_spreadsheet_or_a_terminal(database: Database, fill: Fill) -> None:
    """A formula gets an apostrophe, an escape sequence becomes text. Invariant 9 of docs/architecture.md. Break: the end of views/export.py."""
    fill(database)
    rows = list(csv.DictReader(io.StringIO(written(database, "hosts", "csv"))))
    assert '\'=HYPERLINK("http://evil")' in [row["organisation"] for row in rows]
    ports = written(database, "ports", "csv")
    assert "\x1b" not in ports
    assert "OpenSSH_9.6p1\\x1b[2J" in ports


# A process begins with its parent's peak, and this one's is large: a small one stands between.
LAUNCHER = """
import os, sys
process = os.posix_spawn(sys.executable, [sys.executable, *sys.argv[1:]], os.environ)
_, status, used = os.wait4(process, 0)
print(used.ru_maxrss * 1024)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def peak_memory(table: str) -> int:
    """The most bytes the process `cobalt export` ever held."""
    command = ["-m", "cobalt_tasks", "export", "--table", table, "--output", os.devnull]
    done = subprocess.run([sys.executable, "-c", LAUNCHER, *command], capture_output=True, check=True, timeout=PATIENCE)
    return int(done.stdout)


def test_memory_does_not_grow_with_the_table(database: Database, settings: Settings) -> None:
    """120 MB of banners take a process less than 32 MB more than an empty table, and SQLite's cache of 64 MiB.

    Invariant 8. Break: read a page without its limit in hosts/exports.py.
    """
    common = {"protocol": "tcp", "port": 80, "first_seen": 1.0, "last_seen": 2.0, "banner": "x" * 8000}
    with database.writing() as connection:
        connection.execute(insert(models.ports), [{"address": f"2001:db8::{n:x}", **common} for n in range(15_000)])
    cache = 64 * 2**20 if database.is_sqlite else 0
    assert peak_memory("ports") - peak_memory("hostnames") < cache + 32_000_000


def test_command_writes_a_file_or_standard_output(
    sqlite_database: Database, settings: Settings, fill: Fill, tmp_path: Path
) -> None:
    """--output writes the file; without it the rows are on standard output, and nothing else is."""
    fill(sqlite_database)
    file = tmp_path / "ports.csv"
    done = CliRunner().invoke(command, ["--table", "ports", "--format", "csv", "--output", str(file)])
    assert done.exit_code == 0, done.output
    with file.open(newline="") as lines:
        assert len(list(csv.DictReader(lines))) == 1
    printed = CliRunner().invoke(command, ["--table", "ports"])
    assert json.loads(printed.stdout)["port"] == 22
