"""Without a ledger nothing looks well: commands, API and page say that there is none, and why."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from click.testing import CliRunner

from cobalt_tasks.cli import cobalt
from cobalt_tasks.core.errors import DatabaseUnavailableError, NoLedgerError
from cobalt_tasks.core.settings import Settings, load
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.schema import existing_ledger, upgrade
from tests.integration.views.conftest import get

Serving = Callable[[Settings], AbstractContextManager[str]]
VIEWS = (
    "status",
    "status --json",
    "hosts",
    "score",
    "jobs list",
    "sources list",
    "rejects list",
    "export --table hosts",
)


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_makes_no_ledger(home: Path, settings: Settings, view: str) -> None:
    """In a folder without a ledger, such as a mistyped COBALT_HOME, every view ends with an error that names the file,
    and makes none. Break: open_ledger in its place.
    """
    done = CliRunner().invoke(cobalt, view.split())
    assert isinstance(done.exception, NoLedgerError)
    assert str(home / "cobalt.db") in str(done.exception)
    assert done.exception.exit_code == 1
    assert not done.output
    assert not (home / "cobalt.db").exists()


def test_an_empty_database_is_no_ledger(database_url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database without tables is named as such; with the tables it opens."""
    monkeypatch.setenv("COBALT_DATABASE_URL", database_url)
    database = Database(database_url)
    with database.reading():
        pass
    with pytest.raises(NoLedgerError, match="the database is empty"):
        existing_ledger(load())
    upgrade(database)
    database.dispose()
    existing_ledger(load()).dispose()


def test_a_database_that_is_away_is_one_line(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The status says that the database does not answer, and never its password."""
    monkeypatch.setenv("COBALT_DATABASE_URL", "postgresql://cobalt:SECRET@127.0.0.1:1/cobalt")
    done = CliRunner().invoke(cobalt, ["status"])
    assert isinstance(done.exception, DatabaseUnavailableError)
    assert "does not answer" in str(done.exception)
    assert "SECRET" not in str(done.exception)


def test_the_page_starts_without_a_ledger_and_finds_it_later(
    sqlite_url: str, settings: Settings, serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until there is a ledger, every document is 503 with the reason, and health is DEAD; then all is served, until it
    is deleted. Break: open_ledger in create_app.
    """
    monkeypatch.setenv("COBALT_DATABASE_URL", sqlite_url)
    with serving(load()) as url:
        assert get(url).status_code == 200
        for path in ("/api/data", "/api/status", "/api/hosts", "/api/hosts/192.0.2.1"):
            answer = get(f"{url}{path}")
            assert (answer.status_code, "there is no ledger" in answer.json()["detail"]) == (503, True)
        assert get(f"{url}/api/health").status_code == 503
        database = Database(sqlite_url)
        upgrade(database)
        database.dispose()
        assert get(f"{url}/api/data").status_code == 200
        assert get(f"{url}/api/hosts").json()["note"] == "No hosts yet: cobalt ingest brings them."
        Path(sqlite_url.removeprefix("sqlite:///")).unlink()
        gone = get(f"{url}/api/hosts")
        assert (gone.status_code, "there is no ledger" in gone.json()["detail"]) == (503, True)
