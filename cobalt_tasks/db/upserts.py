"""Many rows inserted or updated by key, through the driver: SQLAlchemy would look at every value of every row."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Dialect, LargeBinary, Table, func, literal_column, select
from sqlalchemy.dialects import postgresql, sqlite

from cobalt_tasks.db.bulk import earlier, encode, later, rows_of


def upsert(
    connection: Connection,
    table: Table,
    rows: Sequence[Mapping[str, object]],
    *,
    replace: Sequence[str] = (),
    keep: Sequence[str] = (),
) -> None:
    """Insert rows or update those of the same primary key; first_seen and last_seen only become wider.

    table: with its primary key; rows: by name, all with the same columns, sorted by key so that writers cannot deadlock;
    replace: columns that change always; keep: columns that change where the new value is not NULL.
    """
    if not rows:
        return
    columns = tuple(rows[0])
    is_binary = any(isinstance(table.c[name].type, LargeBinary) for name in columns)
    if connection.dialect.name == "postgresql" and not is_binary:
        statement = _from_json(connection.dialect, table, columns, tuple(replace), tuple(keep))
        connection.execute(statement, encode([row[name] for name in columns] for row in rows))
    else:
        sql = _statement(connection.dialect, table, columns, tuple(replace), tuple(keep))
        connection.exec_driver_sql(sql, [dict(row) for row in rows])


@lru_cache(64)
def _from_json(
    dialect: Dialect, table: Table, columns: Sequence[str], replace: Sequence[str], keep: Sequence[str]
) -> "postgresql.Insert":
    """Return a statement that takes all rows in one parameter: PostgreSQL plans and starts it once, not for each row."""
    given = rows_of(dialect, "given", {name: table.c[name].type for name in columns})
    insert = postgresql.insert(table).from_select(list(columns), select(*(given.c[name] for name in columns)))
    key = [column.name for column in table.primary_key]
    return insert.on_conflict_do_update(index_elements=key, set_=_changes(insert, table, replace, keep))


@lru_cache(64)
def _statement(
    dialect: Dialect, table: Table, columns: Sequence[str], replace: Sequence[str], keep: Sequence[str]
) -> str:
    """Return a statement that takes rows by name, as the driver does."""
    is_sqlite = dialect.name == "sqlite"
    insert = (sqlite.insert if is_sqlite else postgresql.insert)(table)
    key = [column.name for column in table.primary_key]
    statement = insert.on_conflict_do_update(index_elements=key, set_=_changes(insert, table, replace, keep))
    named = sqlite.dialect(paramstyle="named") if is_sqlite else dialect
    return str(statement.compile(dialect=named, column_keys=list(columns)))


def _changes(
    insert: "sqlite.Insert | postgresql.Insert", table: Table, replace: Sequence[str], keep: Sequence[str]
) -> dict[str, ColumnElement[Any]]:
    changes: dict[str, ColumnElement[Any]] = {name: insert.excluded[name] for name in replace}
    changes |= {name: func.coalesce(insert.excluded[name], table.c[name]) for name in keep}
    if "last_seen" in table.c:
        changes["first_seen"] = earlier(insert.excluded.first_seen, table.c.first_seen)
        changes["last_seen"] = later(insert.excluded.last_seen, table.c.last_seen)
    return changes


def upsert_new(
    connection: Connection,
    table: Table,
    rows: Sequence[Mapping[str, object]],
    *,
    keep: Sequence[str] = (),
) -> list[tuple[Any, ...]]:
    """Do what `upsert` does; return the primary keys of the rows that were not there before.

    table: without binary columns, with a primary key of its own columns; rows, keep: as for `upsert`.
    """
    if not rows:
        return []
    key = [column.name for column in table.primary_key]
    if connection.dialect.name == "sqlite":
        last = last_row(connection, table)
        upsert(connection, table, rows, keep=keep)
        return rows_after(connection, table, last, key)
    columns = tuple(rows[0])
    statement = _from_json(connection.dialect, table, columns, (), tuple(keep))
    # A row that the statement inserted has no xmax; one that it updated was locked first.
    written = statement.returning(*table.primary_key, literal_column("xmax = 0").label("is_new")).cte("written")
    chosen = select(*(written.c[name] for name in key)).where(written.c.is_new)
    return [tuple(row) for row in connection.execute(chosen, encode([row[name] for name in columns] for row in rows))]


def last_row(connection: Connection, table: Table) -> int:
    """Return the largest row id of a `table` on SQLite: rows that are inserted afterwards have larger ones."""
    return int(connection.exec_driver_sql(f"SELECT coalesce(max(rowid), 0) FROM {table.name}").scalar_one())  # noqa: S608


def rows_after(connection: Connection, table: Table, last: int, columns: Sequence[str]) -> list[tuple[Any, ...]]:
    """Return `columns` of the rows of a `table` on SQLite that were inserted after `last_row` returned `last`."""
    statement = f"SELECT {', '.join(columns)} FROM {table.name} WHERE rowid > ?"  # noqa: S608
    return [tuple(row) for row in connection.exec_driver_sql(statement, (last,)).all()]
