"""What was exported is read by the programs it is for."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import openpyxl
import pandas as pd
import pytest
from click.testing import CliRunner
from sqlalchemy import insert, update

from cobalt_tasks.cli.export import export as command
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db import tables as models
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts.exports import stream
from cobalt_tasks.views.exports import xlsx
from cobalt_tasks.views.exports.options import ExportOptions
from cobalt_tasks.views.exports.registry import FORMATS
from tests.support.waiting import PATIENCE

Fill = Callable[[Database], None]
SITES = '["192.168.1.0/24"]\nname = "office"\nlatitude = 52.52\nlongitude = 13.4\n'


def exported(database: Database, table: str, form: str, folder: Path, home: Path | None = None) -> Path:
    """A file with an export."""
    file = folder / f"{table}{FORMATS[form].extension}"
    pieces = FORMATS[form].chunks(stream(database, table), ExportOptions(home=home))
    file.write_bytes(b"".join(piece if isinstance(piece, bytes) else piece.encode() for piece in pieces))
    return file


@pytest.mark.parametrize("table", ["hosts", "ports", "connections", "certificates", "changes"])
def test_duckdb_and_pandas_read_parquet(database: Database, fill: Fill, tmp_path: Path, table: str) -> None:
    """As many rows as NDJSON has, times as moments in UTC, and the same text.

    Break: write times as numbers in views/exports/parquet.py.
    """
    fill(database)
    file = exported(database, table, "parquet", tmp_path)
    rows = [json.loads(line) for line in exported(database, table, "ndjson", tmp_path).read_text().splitlines()]
    found = duckdb.sql(f"SELECT * FROM '{file}'")
    assert found.columns == list(rows[0])
    assert [row[0] for row in found.fetchall()] == [row[found.columns[0]] for row in rows]
    frame = pd.read_parquet(file)
    assert len(frame) == len(rows) >= 1
    name = "arrived_at" if table == "connections" else "observed_at" if table == "changes" else "first_seen"
    assert str(frame[name].dtype) == "datetime64[ms, UTC]"
    first = datetime.fromisoformat(rows[0][name])
    assert frame[name][0] == first.astimezone(UTC)


def test_a_time_is_the_same_millisecond_in_parquet(sqlite_database: Database, fill: Fill, tmp_path: Path) -> None:
    """A time a third of a microsecond below a millisecond is that millisecond, as in NDJSON. Break: cut in parquet.py."""
    fill(sqlite_database)
    nearly = 1_790_000_000.0009997
    sqlite_database.write(lambda connection: connection.execute(update(models.hosts).values(first_seen=nearly)))
    file = exported(sqlite_database, "hosts", "parquet", tmp_path)
    assert {found.microsecond for found in pd.read_parquet(file)["first_seen"]} == {1000}


def test_parquet_keeps_lists_and_row_groups(
    sqlite_database: Database, fill: Fill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lists are lists; an export of several row groups is one table. Break: lose where the file is between two groups."""
    from cobalt_tasks.hosts.exports import pages
    from cobalt_tasks.views.exports import parquet

    monkeypatch.setattr(parquet, "_GROUP_ROWS", 2)
    monkeypatch.setattr(pages, "_ROWS_AT_ONCE", 2)
    fill(sqlite_database)
    file = exported(sqlite_database, "hosts", "parquet", tmp_path)
    assert duckdb.sql(f"SELECT open_ports, names FROM '{file}' WHERE address = '198.51.100.7'").fetchall() == [
        ([22], ["<b>hostile</b>.example", "www.example.com"])
    ]
    assert duckdb.sql(f"SELECT count(DISTINCT row_group_id) FROM parquet_metadata('{file}')").fetchall() == [(2,)]
    empty = exported(sqlite_database, "findings", "parquet", tmp_path)
    assert duckdb.sql(f"SELECT count(*) FROM '{empty}'").fetchall() == [(0,)]


def test_openpyxl_reads_xlsx_and_finds_no_formula(
    sqlite_database: Database, fill: Fill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Text stays text, moments are dates, numbers numbers; what one sheet cannot hold is on the next.

    Break: `strings_to_formulas` in views/exports/xlsx.py.
    """
    fill(sqlite_database)
    monkeypatch.setattr(xlsx, "SHEET_ROWS", 3)
    book = openpyxl.load_workbook(exported(sqlite_database, "hosts", "xlsx", tmp_path))
    assert book.sheetnames == ["hosts", "hosts 2"]
    rows = [dict(zip([c.value for c in sheet[1]], row, strict=True)) for sheet in book for row in sheet.iter_rows(2)]
    assert len(rows) == 4
    host = next(row for row in rows if row["address"].value == "198.51.100.7")
    assert (host["organisation"].value, host["organisation"].data_type) == ('=HYPERLINK("http://evil")', "s")
    assert isinstance(host["first_seen"].value, datetime)
    assert (host["asn"].value, host["open_ports"].value) == (64496, "22")
    assert {cell.data_type for row in rows for cell in row.values()} <= {"s", "n", "d", "b"}


def test_a_text_longer_than_a_cell_is_cut(sqlite_database: Database, tmp_path: Path) -> None:
    """Excel holds 32,767 UTF-16 units in a cell. Break: write a longer text, which XlsxWriter leaves out."""
    row = {"address": "192.0.2.1", "protocol": "tcp", "port": 80, "first_seen": 1.0, "last_seen": 2.0}
    with sqlite_database.writing() as connection:
        connection.execute(insert(models.ports), [{**row, "banner": "\U0001f600" * 20_000, "service": "http\x1b"}])
    sheet = openpyxl.load_workbook(exported(sqlite_database, "ports", "xlsx", tmp_path)).active
    cells = dict(zip([cell.value for cell in sheet[1]], [cell.value for cell in sheet[2]], strict=True))
    assert cells["banner"] == "\U0001f600" * 16_383
    assert cells["service"] == "http\\x1b"


def test_gdal_reads_geojson(sqlite_database: Database, fill: Fill, tmp_path: Path) -> None:
    """`ogrinfo`, which has the reader of QGIS, finds the hosts with a place, and those of a site at the site.

    Break: the order of longitude and latitude in views/exports/geojson.py.
    """
    fill(sqlite_database)
    (tmp_path / "networks.toml").write_text(SITES)
    file = exported(sqlite_database, "hosts", "geojson", tmp_path, tmp_path)
    ran = subprocess.run(["ogrinfo", "-al", file], capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert "Geometry: Point" in ran.stdout
    assert "Feature Count: 3" in ran.stdout
    assert "POINT (4.89 52.37)" in ran.stdout
    assert "POINT (13.4 52.52)" in ran.stdout
    assert "site (String) = office" in ran.stdout
    features = json.loads(file.read_text())["features"]
    assert [each["id"] for each in features if each["properties"]["provider"] == "site"] == ["192.168.1.2"]


def test_geojson_without_a_host_is_a_collection(sqlite_database: Database, tmp_path: Path) -> None:
    """An empty ledger is an empty collection, and not a broken document."""
    document = json.loads(exported(sqlite_database, "hosts", "geojson", tmp_path).read_text())
    assert document == {"type": "FeatureCollection", "features": []}


def test_the_command_chooses_format_and_table(
    sqlite_database: Database, settings: Settings, fill: Fill, tmp_path: Path
) -> None:
    """By the ending of the file, for the rows of a query, and with the columns that were named."""
    fill(sqlite_database)
    file = tmp_path / "some.parquet"
    done = CliRunner().invoke(command, ["port:22", "--output", str(file), "--columns", "port,address"])
    assert done.exit_code == 1  # hosts have no column port
    done = CliRunner().invoke(command, ["port:22", "--output", str(file), "--columns", "score,address"])
    assert done.exit_code == 0, done.output
    assert duckdb.sql(f"SELECT * FROM '{file}'").fetchall() == [(None, "198.51.100.7")]
    for table, query in (("findings", "port:22"), ("changes", "port:22"), ("hostnames", "net:198.51.100.0/24")):
        done = CliRunner().invoke(command, [query, "--table", table])
        assert done.exit_code == 0, done.output
        assert {json.loads(line)["address"] for line in done.stdout.splitlines()} <= {"198.51.100.7"}
    done = CliRunner().invoke(command, ["port:22", "--table", "changes", "--format", "csv", "--separator", ";"])
    assert done.stdout.splitlines()[0].startswith("id;kind;")
    assert len(done.stdout.splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "geojson", "--table", "ports"], "geojson holds hosts, and no ports"),
        (["--table", "jobs", "port:22"], "jobs cannot be searched"),
        (["--columns", "nothing"], "there are address, first_seen"),
        (["--format", "geojson", "--columns", "address"], "without columns"),
        (["--separator", ";"], "ndjson has none"),
        (["--format", "csv", "--separator", "ab"], "is no separator"),
        (["--format", "csv", "prot:22"], "prot"),
    ],
)
def test_wrong_usage_is_explained(
    sqlite_database: Database, settings: Settings, fill: Fill, arguments: list[str], message: str
) -> None:
    """One error that ends the command with code 2, and nothing on standard output."""
    fill(sqlite_database)
    done = CliRunner().invoke(command, arguments)
    assert (getattr(done.exception, "exit_code", None), done.stdout) == (2, "")
    assert message in str(done.exception)


def test_text_formats_write_into_any_file(sqlite_database: Database, fill: Fill) -> None:
    """A format is called with rows and a file, of text or bytes, and returns how many rows there were."""
    fill(sqlite_database)
    for form in FORMATS.values():
        output: io.StringIO | io.BytesIO = io.BytesIO() if form.binary else io.StringIO()
        assert form(stream(sqlite_database, form.tables[0]), output) >= 1
        assert output.getvalue()


def test_a_full_disk_and_a_reader_that_has_gone(sqlite_database: Database, settings: Settings, fill: Fill) -> None:
    """A full disk is one line and code 1, whatever the format; a reader that ends early is no error that is printed.

    Break: let OSError pass in cli/_output.py.
    """
    fill(sqlite_database)
    cobalt = f"{sys.executable} -m cobalt_tasks export"
    for form in ("csv", "xlsx", "parquet"):
        ran = subprocess.run(
            f"{cobalt} --format {form} > /dev/full",
            shell=True,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        wanted = "cobalt: standard output cannot be written: No space left on device\n"
        assert (ran.returncode, ran.stderr) == (1, wanted)
    ran = subprocess.run(f"{cobalt} | true", shell=True, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert ran.stderr == ""
