"""Triggers in the database that log what happens to jobs and results, without the program's help.

They use plain drivers and tables without unique keys, so that what happened twice is there twice.
"""

import csv
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import psycopg

_TABLES: Final = """
CREATE TABLE chaos_transitions (at double precision, job bigint, old text, new text, parked boolean, level integer,
    claim text);
CREATE TABLE chaos_locations (address text);
"""
_SQLITE: Final = """
CREATE TRIGGER chaos_jobs AFTER UPDATE OF state ON jobs
    WHEN NEW.state <> 'running' OR OLD.state <> 'running' OR NEW.claim <> OLD.claim BEGIN
    INSERT INTO chaos_transitions VALUES ((julianday('now') - 2440587.5) * 86400.0, NEW.id, OLD.state, NEW.state,
        NEW.waits_for IS NOT NULL OR NEW.not_before > (julianday('now') - 2440587.5) * 86400.0, NEW.level, NEW.claim);
END;
CREATE TRIGGER chaos_located AFTER INSERT ON locations BEGIN INSERT INTO chaos_locations VALUES (NEW.address); END;
CREATE TRIGGER chaos_relocated AFTER UPDATE ON locations BEGIN INSERT INTO chaos_locations VALUES (NEW.address); END;
"""
_POSTGRESQL: Final = """
CREATE FUNCTION chaos_jobs() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO chaos_transitions VALUES (extract(epoch FROM clock_timestamp()), NEW.id, OLD.state, NEW.state,
        NEW.waits_for IS NOT NULL OR NEW.not_before > extract(epoch FROM clock_timestamp()), NEW.level, NEW.claim);
    RETURN NULL;
END $$;
CREATE FUNCTION chaos_locations() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO chaos_locations VALUES (NEW.address);
    RETURN NULL;
END $$;
CREATE TRIGGER chaos_jobs AFTER UPDATE OF state ON jobs FOR EACH ROW
    WHEN (NEW.state <> 'running' OR OLD.state <> 'running' OR NEW.claim <> OLD.claim) EXECUTE FUNCTION chaos_jobs();
CREATE TRIGGER chaos_located AFTER INSERT OR UPDATE ON locations FOR EACH ROW EXECUTE FUNCTION chaos_locations();
"""

Rows = list[tuple[Any, ...]]


class TriggerLog:
    """Installs the triggers, and asks the database directly. `database` is a SQLite file, or a libpq URL."""

    TROUBLE: Final = (sqlite3.OperationalError, psycopg.OperationalError)
    """Raised while the database is away."""

    def __init__(self, database: str) -> None:
        """Connect for every question: the database is one of the things that go away."""
        self._database = database
        self._is_postgresql = database.startswith("postgresql:")

    def install(self) -> None:
        """Create tables and triggers."""
        if self._is_postgresql:
            with psycopg.connect(self._database) as connection:
                connection.execute((_TABLES + _POSTGRESQL).encode())
        else:
            connection_ = sqlite3.connect(self._database)
            connection_.executescript(_TABLES + _SQLITE)
            connection_.close()

    def ask(self, query: str) -> Rows:
        """Return all rows of a query without parameters."""
        if self._is_postgresql:
            with psycopg.connect(self._database, connect_timeout=5) as connection:
                return connection.execute(query.encode()).fetchall()
        connection_ = sqlite3.connect(self._database, timeout=30)
        try:
            return connection_.execute(query).fetchall()
        finally:
            connection_.close()

    def is_writable(self, seconds: float) -> bool:
        """Return whether a SQLite file could be locked for writing within some seconds."""
        connection = sqlite3.connect(self._database, timeout=seconds, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        except sqlite3.OperationalError:
            return False
        finally:
            connection.close()
        return True

    def dump(self, folder: Path) -> None:
        """Write the logged tables into a folder as CSV, for people."""
        for table in ("chaos_transitions", "jobs", "sources"):
            with (folder / f"{table}.csv").open("w", newline="") as file:
                csv.writer(file).writerows(self.ask(f"SELECT * FROM {table}"))  # noqa: S608

    def count(self, query: str) -> int:
        """Return the one number of a query's one row."""
        return int(self.ask(query)[0][0])


def one_of(values: Iterable[str]) -> str:
    """Return SQL's list of some words of our own."""
    return "(" + ", ".join(f"'{value}'" for value in values) + ")"
