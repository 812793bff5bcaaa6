"""Many rows in one statement, the same for SQLite and PostgreSQL."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Dialect,
    FromClause,
    Select,
    Table,
    Text,
    bindparam,
    case,
    cast,
    func,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.types import TypeEngine

Columns = Mapping[str, TypeEngine[Any]]
"""The names and types of the columns in a row, in order."""

AnySelect = TypeVar("AnySelect", bound=Select[Any])

ROWS = "rows"
"""The parameter that carries the rows of `rows_of`: its value is `encode(...)`."""


def rows_of(on: Connection | Dialect, name: str, columns: Columns) -> FromClause:
    """Return a table made of the JSON rows in the parameter `ROWS`, to select from, join and update from.

    Unlike an executemany it can be joined and returns what it changed; binary columns do not fit in JSON.
    on: what the statement is for: a connection, or its dialect in a statement that is built once; name: of the table;
    columns: names and types.
    """
    parameter = bindparam(ROWS, type_=Text())
    if _is_sqlite(on):
        each = func.json_each(parameter).table_valued("value", name=f"{name}_json")
        picked = [
            cast(func.json_extract(each.c.value, f"$[{index}]"), column_type).label(column)
            if column_type.python_type is not bool
            else func.json_extract(each.c.value, f"$[{index}]", type_=column_type).label(column)
            for index, (column, column_type) in enumerate(columns.items())
        ]
        return select(*picked).select_from(each).subquery(name)
    each = func.json_array_elements(cast(parameter, postgresql.JSON)).table_valued("value", name=f"{name}_json")
    picked = [
        cast(each.c.value.op("->>")(index), column_type).label(column)
        for index, (column, column_type) in enumerate(columns.items())
    ]
    return select(*picked).select_from(each).subquery(name)


def encode(rows: Iterable[Sequence[object]]) -> dict[str, str]:
    """Return the parameters for a statement that selects from `rows_of`."""
    return {ROWS: msgspec.json.encode(list(rows)).decode()}


def among(connection: Connection, column: ColumnElement[int], ids: Sequence[int]) -> ColumnElement[bool]:
    """Return the condition that a `column` is one of many `ids`, in one parameter: the statement is the same for any number."""
    return _is_one_of(connection, column, ids, BigInteger())


def one_of(connection: Connection, column: ColumnElement[str], texts: Sequence[str]) -> ColumnElement[bool]:
    """Return the condition that a `column` is one of many `texts`, in one parameter."""
    return _is_one_of(connection, column, texts, Text())


def _is_one_of(
    connection: Connection, column: ColumnElement[Any], values: Sequence[object], column_type: TypeEngine[Any]
) -> ColumnElement[bool]:
    if connection.dialect.name == "sqlite":
        given = bindparam(None, msgspec.json.encode(values).decode(), type_=Text(), unique=True)
        return column.in_(select(func.json_each(given).table_valued("value").c.value))
    return column == func.any(bindparam(None, list(values), type_=postgresql.ARRAY(column_type), unique=True))


def insert_into(on: Connection | Dialect, table: Table) -> "sqlite.Insert | postgresql.Insert":
    """Return an INSERT into `table` of the database's own, the one that knows ON CONFLICT; `on` as for `rows_of`."""
    return sqlite.insert(table) if _is_sqlite(on) else postgresql.insert(table)


def _is_sqlite(on: Connection | Dialect) -> bool:
    return (on.dialect if isinstance(on, Connection) else on).name == "sqlite"


def later(left: ColumnElement[float], right: ColumnElement[float]) -> ColumnElement[float]:
    """Return the greater of the columns `left` and `right`; the two databases name that function differently."""
    return case((left > right, left), else_=right)


def earlier(left: ColumnElement[Any], right: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the smaller of the columns `left` and `right`."""
    return case((left < right, left), else_=right)


def unlocked(chosen: AnySelect, table: Table) -> AnySelect:
    """Leave out the rows that another transaction is changing; SQLite has one writer and ignores this.

    chosen: selects rows of `table`.
    """
    return chosen.with_for_update(skip_locked=True, of=table)


def whole(connection: Connection, number: ColumnElement[Any]) -> ColumnElement[int]:
    """Return a `number` that is not negative without its fraction: a cast cuts it off on SQLite, and rounds on PostgreSQL."""
    return cast(number if _is_sqlite(connection) else func.floor(number), BigInteger)
