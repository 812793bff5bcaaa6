"""What commands print as JSON for programs."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner

from cobalt_tasks.cli import cobalt
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db.engine import Database
from tests.unit.cli.test_commands import ALL

LISTS = {
    "sources list": "",
    "sources journals list": "",
    "rejects list": "",
    "jobs list": "",
    "hosts": "",
    "search": "port:22",
    "networks check": "",
    "changes": "--since 2026-01-01",
    "diff": "24h 1h",
    "notes list": "",
    "certificates": "--all",
    "alerts list": "",
    "score": "",
}
OBJECTS = {
    "status": "",
    "doctor": "",
    "jobs show": "1",
    "geodb info": "",
    "fingerprints info": "",
}
ELSEWHERE = {"ingest", "geolocate", "chaos", "alerts check"}
"""Tried by other tests: they need input, or a file."""


def numbers(value: Any, path: str = "") -> list[tuple[str, float]]:
    """Every number in a document, with where it is."""
    if isinstance(value, dict):
        return [each for name, inner in value.items() for each in numbers(inner, f"{path}.{name}")]
    if isinstance(value, list):
        return [each for inner in value for each in numbers(inner, path)]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return [(path, value)] if is_number else []


def test_every_command_with_json_is_listed_here() -> None:
    """A new one is tried too, or named among those that other tests try."""
    having = {
        path.removeprefix("cobalt ")
        for path, command in ALL.items()
        if "--json" in [name for option in command.params for name in option.opts]
    }
    assert having - ELSEWHERE == {*LISTS, *OBJECTS}


@pytest.mark.parametrize("command", [*LISTS, *OBJECTS])
def test_lists_are_lines_and_all_else_is_one_object_with_times_as_text(
    sqlite_database: Database, settings: Settings, fill: Callable[[Database], None], command: str
) -> None:
    """Each line is one JSON object; no number in it is a point in time. Break: documents.is_time."""
    fill(sqlite_database)
    words = [*command.split(), *(LISTS | OBJECTS)[command].split(), "--json"]
    done = CliRunner().invoke(cobalt, words, catch_exceptions=False)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(isinstance(row, dict) for row in rows)
    if command in OBJECTS:
        assert len(rows) == 1
    assert [found for row in rows for found in numbers(row) if 1.4e9 < found[1] < 4e9] == []
