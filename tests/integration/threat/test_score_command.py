"""`cobalt score`, and rules that change while a worker runs."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import insert

from cobalt_tasks.cli import cobalt
from cobalt_tasks.core import settings
from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.schema import open_ledger
from cobalt_tasks.db.tables import sources
from cobalt_tasks.threat import scoring
from cobalt_tasks.views.hosts import UnknownHostError
from tests.support.evidence import PAST, scored, see
from workers import context


@pytest.fixture
def ledger(home: Path, sqlite_template: Path) -> Iterator[Database]:
    """A ledger in the home of the command."""
    shutil.copy(sqlite_template, home / "cobalt.db")
    database = open_ledger(settings.load())
    with database.writing() as connection:
        connection.execute(insert(sources), [{"id": 1, "name": "x", "created_at": PAST, "updated_at": PAST}])
    yield database
    database.dispose()


def run(*arguments: str) -> str:
    """Run the command; it must end well."""
    result = CliRunner().invoke(cobalt, ["score", *arguments])
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result.output


def test_the_command_lists_explains_and_recomputes(ledger: Database, home: Path) -> None:
    """Every point has its rule, its source and its time."""
    assert "No hosts yet" in run()
    see(ledger, ("192.0.2.2", "9.9.9.9", 22))
    assert "2 of 2 hosts are not scored yet" in run()
    assert CliRunner().invoke(cobalt, ["score", "--json"]).stdout == ""
    assert "9.9.9.9  not scored yet" in run("--explain", "9.9.9.9")
    assert "new -> 0.30  9.9.9.9" in run("--recompute")
    assert "0.30\t9.9.9.9" in run()
    listed = json.loads(CliRunner().invoke(cobalt, ["score", "--json"]).stdout)
    assert (listed["address"], listed["score"], listed["scored_at"][-1]) == ("9.9.9.9", 0.3, "Z")
    explained = run("--explain", "9.9.9.9")
    assert "+0.30  risky_port" in explained
    assert "[traffic," in explained
    printed = json.loads(run("--explain", "9.9.9.9", "--json"))
    assert (printed["score"], printed["evidence"][0]["rule"], printed["evidence"][0]["points"]) == (
        0.3,
        "risky_port",
        0.3,
    )
    innocent = run("--explain", "192.0.2.2")
    assert "the rules that could be checked found nothing" in innocent
    assert "not checked:" in innocent
    assert isinstance(CliRunner().invoke(cobalt, ["score", "--explain", "192.0.2.200"]).exception, UnknownHostError)
    (home / "threat.toml").write_text("[risky_port]\npoints = 0.9\nports = [22]\n")
    assert "other rules" in run()
    assert json.loads(run("--recompute", "--json"))["changes"] == [{"address": "9.9.9.9", "before": 0.3, "after": 0.9}]


def test_a_worker_takes_up_changed_rules_by_itself(ledger: Database, home: Path) -> None:
    """The next sweep scores by the rules as their files are then; by broken ones nothing is scored, and nothing is lost."""
    worker = context.WorkerContext(settings.load())
    see(ledger, ("192.0.2.2", "9.9.9.9", 22))
    scoring.keep_up(ledger, worker.rules)
    assert worker.rules is worker.rules
    (home / "threat.toml").write_text("[risky_port]\npoints = 0.9\nports = [8080]")
    see(ledger, ("192.0.2.2", "9.9.9.10", 8080))
    scoring.keep_up(ledger, worker.rules)
    assert scored(ledger) == {"9.9.9.9": 0.3, "9.9.9.10": 0.9}
    (home / "threat.toml").write_text("[risky_port")
    see(ledger, ("192.0.2.2", "9.9.9.11", 22))
    for _ in range(2):
        with pytest.raises(ConfigurationError):
            scoring.keep_up(ledger, worker.rules)
    (home / "threat.toml").unlink()
    scoring.keep_up(ledger, worker.rules)
    assert scored(ledger) == {"9.9.9.9": 0.3, "9.9.9.10": 0.9, "9.9.9.11": 0.3}
    worker.database.dispose()
