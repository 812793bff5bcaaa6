"""Where `cobalt export --output` writes to."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import insert

from cobalt_tasks.cli.export import export
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db import tables as models
from cobalt_tasks.db.engine import Database


@pytest.mark.parametrize("name", ["hosts.txt", "hosts", "hosts.json", "csv"])
def test_an_unknown_ending_is_an_error(
    sqlite_database: Database, settings: Settings, tmp_path: Path, name: str
) -> None:
    """It names the formats and their endings; with --format any ending will do. Break: take it for NDJSON."""
    done = CliRunner().invoke(export, ["--output", str(tmp_path / name)], standalone_mode=False)
    assert ".csv (csv), .ndjson (ndjson), " in str(done.exception)
    assert "--format" in str(done.exception)
    assert not (tmp_path / name).exists()
    done = CliRunner().invoke(export, ["--output", str(tmp_path / name), "--format", "csv"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / name).read_text().startswith("address,")


def test_a_folder_that_is_missing_is_an_error(sqlite_database: Database, settings: Settings, tmp_path: Path) -> None:
    """The message says what to do, and no folder is made."""
    file = tmp_path / "reports" / "hosts.csv"
    done = CliRunner().invoke(export, ["--output", str(file)], standalone_mode=False)
    assert f"there is no folder {file.parent}; make it with mkdir -p" in str(done.exception)
    assert not file.parent.exists()


def test_a_killed_export_leaves_nothing(sqlite_database: Database, settings: Settings, tmp_path: Path) -> None:
    """After kill -9 the file is what it was before, and there is no other. Break: write into a file with a name."""
    host = {"first_seen": 1.0, "last_seen": 1.0, "discovered": True}
    rows = [{**host, "address": f"10.0.{number >> 8}.{number & 255}"} for number in range(6_000)]
    sqlite_database.write(lambda c: c.execute(insert(models.hosts), rows))
    file = tmp_path / "files" / "hosts.csv"
    file.parent.mkdir()
    file.write_text("before")
    # It stops once it has written the first pages.
    program = (
        "import os, signal, sys\n"
        "from cobalt_tasks.cli import _output, cobalt\n"
        "class Stopping(_output.RowProgress):\n"
        "    def show(self, rows):\n"
        "        if rows > 3000: os.kill(os.getpid(), signal.SIGKILL)\n"
        "_output.RowProgress = Stopping\n"
        "cobalt()\n"
    )
    command = [sys.executable, "-c", program, "export", "--output", str(file)]
    done = subprocess.run(command, check=False, capture_output=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert [each.name for each in file.parent.iterdir()] == ["hosts.csv"]
    assert file.read_text() == "before"
