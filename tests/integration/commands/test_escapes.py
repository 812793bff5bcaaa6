"""What servers, files and providers wrote reaches no terminal as it is."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from cobalt_tasks.cli import cobalt
from cobalt_tasks.db import tables as models
from cobalt_tasks.db.engine import Database

HOSTILE = "x\x1b]0;owned\x07\x1b[2J\u202ey"


def test_doctor_shows_no_control_character(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A check that quotes a setting or a server shows escapes. Break: printable in doctor."""
    monkeypatch.setenv("COBALT_DATABASE_URL", f"sqlite:///{home}/{HOSTILE}.db")
    done = CliRunner().invoke(cobalt, ["doctor"], catch_exceptions=False)
    assert "\x1b" not in done.output
    assert "\\x1b[2J" in done.output


def test_a_source_with_a_hostile_name_is_forgotten_quietly(
    sqlite_database: Database, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file name is data too. Break: printable in `cobalt sources forget`."""
    with sqlite_database.writing() as connection:
        row = {"name": HOSTILE, "generation": 1, "created_at": 1.0, "updated_at": 1.0}
        connection.execute(models.sources.insert().values(row))
    done = CliRunner().invoke(cobalt, ["sources", "forget", "1"], catch_exceptions=False)
    assert "\x1b" not in done.output
    assert "forgot x" in done.output
