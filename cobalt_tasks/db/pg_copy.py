"""Many rows through PostgreSQL's COPY, below SQLAlchemy: a third of the cost of any INSERT."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    import psycopg


def copy(connection: Connection, table: str, columns: Iterable[str], rows: Iterable[tuple[Any, ...]]) -> None:
    """Append `rows` (values of `columns`) to a `table`; none may conflict."""
    statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
    # SQLAlchemy has loaded psycopg; where SQLite is used, no process needs the time and memory that takes.
    base: type[Exception] = connection.dialect.loaded_dbapi.Error
    raw: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment]
    try:
        with raw.cursor() as cursor, cursor.copy(statement) as writer:
            for row in rows:
                writer.write_row(row)
    except base as error:
        # As SQLAlchemy raises it, so that one handler knows a lost connection.
        named = DBAPIError.instance(statement, None, error, base, dialect=connection.dialect)
        if raw.closed:
            connection.invalidate(error)
        raise named from error


def stage(connection: Connection, name: str, types: Mapping[str, str], rows: Iterable[tuple[Any, ...]]) -> str:
    """Put `rows` (columns of `types`) beside the table `name` until the transaction ends; return the name to select them from.

    Each connection keeps its own empty copies: they cost nothing until the next batch.
    """
    table = f"staged_{name}"
    columns = ", ".join(f"{column} {kind}" for column, kind in types.items())
    connection.exec_driver_sql(f"CREATE TEMP TABLE IF NOT EXISTS {table} ({columns}) ON COMMIT DELETE ROWS")
    copy(connection, table, types, rows)
    return table
