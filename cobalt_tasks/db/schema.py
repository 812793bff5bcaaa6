"""The ledger's schema: opened by every process, brought up to date by whichever comes first, under a lock."""

import logging
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from cobalt_tasks.core.errors import ConfigurationError, NoLedgerError
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db.engine import Database

HEAD = "0033"
"""The newest migration; a test holds it against the folder."""

log = logging.getLogger(__name__)

_HOW_TO_GET_ONE = (
    "cobalt up or cobalt ingest makes one; if there should be one, check COBALT_HOME and COBALT_DATABASE_URL"
)
_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x636F62616C74
"""PostgreSQL's advisory lock around migrations: the word cobalt in hexadecimal."""


def open_ledger(settings: Settings) -> Database:
    """Open the ledger, creating or upgrading its tables when they are not up to date.

    Raises:
        ConfigurationError: the database belongs to a newer Cobalt.
        DatabaseUnavailableError: it does not answer.

    """
    database = Database(settings.database_url)
    with database.reading() as connection:
        current = revision(connection)
    if current != HEAD:
        upgrade(database)
    return database


def existing_ledger(settings: Settings) -> Database:
    """Open the ledger for a view, which never creates one: an empty one would look as if nothing was wrong.

    Raises:
        ConfigurationError: the database belongs to a newer Cobalt.
        DatabaseUnavailableError: it does not answer, or there is no ledger in it (NoLedgerError).

    """
    database = Database(settings.database_url)
    require_file(database)
    require_tables(database)
    return database


def require_file(database: Database) -> None:
    """Raise NoLedgerError if the database is a file that does not exist: opening it would create it."""
    file = database.engine.url.database if database.is_sqlite else None
    if file and file != ":memory:" and not Path(file).exists():
        raise NoLedgerError(f"there is no ledger: {file} does not exist; {_HOW_TO_GET_ONE}")


def require_tables(database: Database) -> None:
    """Upgrade the tables if they are old.

    Raises:
        NoLedgerError: there are none.
        ConfigurationError: the database belongs to a newer Cobalt.
        DatabaseUnavailableError: it does not answer.

    """
    with database.reading() as connection:
        current = revision(connection)
    if current is None:
        raise NoLedgerError(f"there is no ledger: the database is empty; {_HOW_TO_GET_ONE}")
    if current != HEAD:
        upgrade(database)


def revision(connection: Connection) -> str | None:
    """Return the ledger's migration, or None for an empty database."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def upgrade(database: Database, report: Callable[[str], None] | None = None) -> None:
    """Bring the tables up to date, one process at a time: an empty ledger at once, another one migration after the other.

    Each migration is a transaction of its own. An upgrade that is killed goes on where it was.

    Args:
        database: the ledger.
        report: called with each revision that is reached; None: they are logged.

    Raises:
        ConfigurationError: the database belongs to a newer Cobalt.

    """
    while reached := _upgrade_some(database):
        (report or _log)(reached)


def _upgrade_some(database: Database) -> str | None:
    """Do one migration, or all of them in an empty ledger; return the revision that is reached, None if nothing was to do."""
    # Alembic costs a quarter of a second to import, and is needed only here.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    with database.writing() as connection:
        if not database.is_sqlite:
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        before = revision(connection)
        if before == HEAD:
            return None
        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS))
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "+1" if before else "head")
        except CommandError as error:
            raise ConfigurationError(f"this database belongs to another version of Cobalt: {error}") from error
        return revision(connection)


def _log(reached: str) -> None:
    log.info("the ledger is at revision %s of %s", reached, HEAD)
