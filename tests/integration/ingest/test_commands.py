"""`cobalt sources` and `cobalt rejects`, and what `cobalt ingest` says of wrong usage."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from cobalt_tasks.cli import cobalt
from cobalt_tasks.core.errors import CobaltError
from cobalt_tasks.db.engine import Database
from cobalt_tasks.ingest.formats import FORMATS
from cobalt_tasks.ingest.formats.masscan.list_ import MasscanList
from cobalt_tasks.ingest.store import rejects
from cobalt_tasks.ingest.store.sources import Source

SAMPLES = Path(__file__).parents[2] / "samples"
CAPTURE = SAMPLES / "capture/connections.jsonl"

Run = Callable[..., Result]


@pytest.fixture
def run(database: Database) -> Run:
    """Run a command in this process; what it raises is what `main` prints in one line."""
    return lambda *arguments: CliRunner().invoke(cobalt, arguments, prog_name="cobalt")


def rows(database: Database, statement: str) -> Any:
    """Return the rows of a query."""
    with database.reading() as connection:
        return [tuple(row) for row in connection.execute(text(statement))]


def test_sources_are_listed_with_their_ledgers(run: Run, ingest: Callable[..., Source]) -> None:
    """As a table, and as JSON without what is only ours."""
    ingest(CAPTURE)
    assert str(CAPTURE) in run("sources", "list").stdout
    (source,) = map(json.loads, run("sources", "list", "--json").stdout.splitlines())
    assert (source["read"], source["accepted"], source["rejected"], source["format"]) == (29, 20, 7, "capture")
    assert "head" not in source


def test_a_forgotten_source_is_read_anew(run: Run, ingest: Callable[..., Source], database: Database) -> None:
    """Its records and rejects go, what is known about hosts stays; other sources are not touched."""
    ingest(CAPTURE)
    ingest(SAMPLES / "masscan/open.list")
    hosts = rows(database, "SELECT address FROM hosts ORDER BY address")
    assert "forgot" in run("sources", "forget", str(CAPTURE)).stdout
    assert rows(database, "SELECT count(*) FROM observations") == [(0,)]
    assert rows(database, "SELECT count(*) FROM rejects") == [(0,)]
    assert rows(database, "SELECT count(*) FROM discoveries") == [(132,)]
    assert rows(database, "SELECT address FROM hosts ORDER BY address") == hosts
    again = ingest(CAPTURE)
    assert (again.read, again.accepted) == (29, 20)
    assert isinstance(run("sources", "forget", "nobody").exception, CobaltError)


def test_rejects_are_listed_with_reason_and_position(run: Run, ingest: Callable[..., Source], tmp_path: Path) -> None:
    """Hostile bytes are escaped; the JSON form holds the line itself."""
    ingest(CAPTURE)
    hostile = tmp_path / "hostile"
    hostile.write_bytes(b'{"type": "heartbeat"}\n\x1b[31m\x00red\xff\n')
    ingest(hostile)
    shown = run("rejects", "list").stdout
    assert f"\t{CAPTURE}\t3527\tdst_port is out of range: 70000\t" in shown
    assert "\x1b" not in shown
    told = [json.loads(line) for line in run("rejects", "list", "--json", "--source", str(hostile)).stdout.splitlines()]
    assert [(each["position"], each["line"]) for each in told] == [(22, "G1szMW0AcmVk/w==")]
    assert len(run("rejects", "list", "--limit", "3").stdout.splitlines()) == 1 + 3


def test_refused_lines_are_read_again(  # noqa: PLR0917
    run: Run,
    ingest: Callable[..., Source],
    database: Database,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What a newer version understands becomes records; the ledger balances, and nothing is taken twice."""
    scan = tmp_path / "scan"
    scan.write_text("#masscan\nopen tcp 22 192.0.2.1 1760000000\nopen;tcp;80;192.0.2.1;1760000000\nnonsense\n")
    assert ingest(scan).rejected == 2
    older = MasscanList.line
    monkeypatch.setattr(MasscanList, "line", lambda self, line, batch: older(self, line.replace(b";", b" "), batch))
    assert run("rejects", "retry").stdout == "2 tried, 1 accepted now\n"
    assert run("rejects", "retry").stdout == "1 tried, 0 accepted now\n"
    ledger = rows(database, "SELECT read, accepted, duplicates, rejected, ignored FROM sources")
    assert ledger == [(3, 2, 0, 1, 0)]
    assert rows(database, "SELECT port FROM ports ORDER BY port") == [(22,), (80,)]


def test_lines_that_were_cut_are_not_read_again(run: Run, ingest: Callable[..., Source], tmp_path: Path) -> None:
    """Of a long line only the beginning was kept: it would be read as something else."""
    file = tmp_path / "capture"
    file.write_text('{"type": "heartbeat"}\n' + '{"type": "connection", "note": "' + "a" * rejects.KEPT_BYTES + "\n")
    assert ingest(file).rejected == 1
    assert run("rejects", "retry").stdout == "0 tried, 0 accepted now\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name a file"),
        (("-", "--name", "x", "other"), "--name is for one source"),
        (("--follow", "a", "b"), "--follow is for one file"),
        (("--listen", "9999"), "--listen takes tcp://"),
        (("--dry-run", "-"), "--dry-run is for files"),
        (("--format", "morse", "file"), "there is no format 'morse'"),
    ],
)
def test_wrong_usage_is_one_clear_line(arguments: tuple[str, ...], message: str, run: Run, home: Path) -> None:
    """And the exit code is that of wrong usage."""
    error = run("ingest", *arguments).exception
    assert isinstance(error, CobaltError)
    assert error.exit_code == 2
    assert message in str(error)
    assert "\n" not in str(error)


def test_the_help_names_every_family_and_format(run: Run, home: Path) -> None:
    """The words `cobalt ingest` takes are those of the table of formats."""
    words = run("ingest", "--help").output.replace(",", " ").split()
    assert {"auto", *(each.name for each in FORMATS), *(each.family for each in FORMATS)} <= set(words)
