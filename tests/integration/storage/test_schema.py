"""Migrations, and the process that comes first."""

import threading
import warnings
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from cobalt_tasks.core import settings as environment
from cobalt_tasks.core.errors import ConfigurationError, DatabaseUnavailableError
from cobalt_tasks.db import schema
from cobalt_tasks.db import tables as models
from cobalt_tasks.db.engine import Database
from tests.support.waiting import PATIENCE


def test_the_migrations_make_the_tables_of_the_models(database_url: str) -> None:
    """An upgraded database and models.py say the same, and HEAD is the newest migration."""
    database = schema.open_ledger(environment.load({"COBALT_DATABASE_URL": database_url}))
    with database.reading() as connection, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*expression-based index")
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_object": _is_plain})
        assert compare_metadata(context, models.metadata) == []
        assert schema.revision(connection) == schema.HEAD
    database.dispose()
    config = Config()
    config.set_main_option("script_location", str(schema._MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [schema.HEAD]


def test_the_migrations_make_the_indexes_and_triggers_of_the_models(database_url: str, database: Database) -> None:
    """What no model describes is the same too, word for word: indexes of expressions, triggers and their functions."""
    made = _words(database)
    with database.writing() as connection:
        models.metadata.drop_all(connection)
        connection.execute(text("DROP TABLE alembic_version"))
        for name in [name for name in made if made[name].startswith("CREATE OR REPLACE FUNCTION")]:
            connection.execute(text(f"DROP FUNCTION {name}"))
    assert _words(database) == {}
    schema.open_ledger(environment.load({"COBALT_DATABASE_URL": database_url})).dispose()
    migrated = _words(database)
    assert migrated == made
    assert {"ix_jobs_kind_state_id", "ix_freshness_kind_due", "count_jobs_update"} <= set(migrated)


def _is_plain(_object: object, name: str | None, *_rest: object) -> bool:
    # SQLite's full text index keeps tables of its own.
    # Nor are the parts of a table described, which are made as days pass.
    is_ours = not (name or "").startswith(("search_index", "observations_"))
    is_expression = "_folded_" in (name or "") or name in {
        "ix_jobs_kind_state_id",
        "ix_freshness_kind_due",
        "ix_search_texts_words",
    }
    return is_ours and not is_expression


def _words(database: Database) -> dict[str, str]:
    """Return the SQL of every index, trigger and function of the ledger by its name, without line breaks."""
    queries = [
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
        "SELECT tgname || ' on ' || tgrelid::regclass, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
        "SELECT proname, pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
    ]
    if database.is_sqlite:
        queries = ["SELECT name, sql FROM sqlite_master WHERE type IN ('index', 'trigger') AND sql IS NOT NULL"]
    with database.reading() as connection:
        rows = [row for query in queries for row in connection.execute(text(query.replace(":", r"\:")))]
    return {name: " ".join(words.split()) for name, words in rows if "alembic_version" not in name}


def test_many_processes_may_come_first(database_url: str) -> None:
    """Upgrades at once end as one: a lock lets one through, the others find it done."""
    failures: list[Exception] = []

    def open_it() -> None:
        database = Database(database_url)
        try:
            schema.upgrade(database)
        except Exception as error:  # noqa: BLE001  # whatever it is, the test shows it
            failures.append(error)
        finally:
            database.dispose()

    threads = [threading.Thread(target=open_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert failures == []


def test_a_new_file_is_opened_by_many_at_once(tmp_path: Path) -> None:
    """SQLite fails at once where two wait for each other to switch a new file to its write-ahead log: both are let in.
    Break: try `PRAGMA journal_mode=WAL` once (which fails in three of a hundred rounds).
    """
    failures: list[Exception] = []

    def open_it(file: Path, start: threading.Barrier) -> None:
        database = Database(f"sqlite:///{file}")
        start.wait()
        try:
            with database.reading():
                pass
        except DatabaseUnavailableError as error:
            failures.append(error)
        finally:
            database.dispose()

    for number in range(100):
        start = threading.Barrier(12)
        threads = [
            threading.Thread(target=open_it, args=(tmp_path / f"{number}.db", start)) for _ in range(start.parties)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
    assert failures == []


def test_an_upgrade_that_is_killed_goes_on_where_it_was(database_url: str) -> None:
    """Each migration is kept once it is done, and named. Break: one transaction around all of them."""
    database = Database(database_url)
    with database.writing() as connection:
        config = Config()
        config.set_main_option("script_location", str(schema._MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0004")
    reached: list[str] = []

    def stop(revision: str) -> None:
        reached.append(revision)
        if revision == "0009":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        schema.upgrade(database, stop)
    with database.reading() as connection:
        assert schema.revision(connection) == "0009"
    schema.upgrade(database, reached.append)
    assert reached == [f"{number:04}" for number in range(5, int(schema.HEAD) + 1)]
    database.dispose()


def test_a_newer_cobalts_database_is_refused(database_url: str) -> None:
    """A revision this version does not know: one clear line instead of a guess."""
    settings = environment.load({"COBALT_DATABASE_URL": database_url})
    database = schema.open_ledger(settings)
    with database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigurationError, match="another version"):
        schema.open_ledger(settings)
    database.dispose()


def test_a_database_that_does_not_answer_is_named_without_its_password() -> None:
    """Nobody listens: one line, no secret in it."""
    url = "postgresql://cobalt:s3cret@127.0.0.1:1/cobalt"
    with pytest.raises(DatabaseUnavailableError) as caught:
        schema.open_ledger(environment.load({"COBALT_DATABASE_URL": url}))
    assert "s3cret" not in str(caught.value)


def test_a_url_that_is_none_is_told() -> None:
    """A database nobody supports: the variable and the two forms, exit code 2."""
    with pytest.raises(ConfigurationError, match="COBALT_DATABASE_URL"):
        Database("mongodb://somewhere/cobalt")
