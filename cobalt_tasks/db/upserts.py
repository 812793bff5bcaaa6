"""Many rows inserted or updated by key, through the driver: SQLAlchemy would look at every value of every row."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Dialect, Table, func
from sqlalchemy.dialects import postgresql, sqlite

from cobalt_tasks.db.bulk import earlier, later


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
    if rows:
        sql = _statement(connection.dialect, table, tuple(rows[0]), tuple(replace), tuple(keep))
        connection.exec_driver_sql(sql, [dict(row) for row in rows])


@lru_cache(64)
def _statement(
    dialect: Dialect, table: Table, columns: Sequence[str], replace: Sequence[str], keep: Sequence[str]
) -> str:
    """Return a statement that takes rows by name, as the driver does."""
    is_sqlite = dialect.name == "sqlite"
    insert = (sqlite.insert if is_sqlite else postgresql.insert)(table)
    changes: dict[str, ColumnElement[Any]] = {name: insert.excluded[name] for name in replace}
    changes |= {name: func.coalesce(insert.excluded[name], table.c[name]) for name in keep}
    if "last_seen" in table.c:
        changes["first_seen"] = earlier(insert.excluded.first_seen, table.c.first_seen)
        changes["last_seen"] = later(insert.excluded.last_seen, table.c.last_seen)
    key = [column.name for column in table.primary_key]
    statement = insert.on_conflict_do_update(index_elements=key, set_=changes)
    named = sqlite.dialect(paramstyle="named") if is_sqlite else dialect
    return str(statement.compile(dialect=named, column_keys=list(columns)))
