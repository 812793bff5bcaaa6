"""Deletes old rows in small steps, and returns SQLite's empty pages to the disk."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, Table, Text, delete, func, literal, select, tuple_

from cobalt_tasks.core.keep_limits import KeepLimit
from cobalt_tasks.db.engine import statement_now

_MEASURED: Final = 500
"""The newest rows, whose average is taken for that of all."""

_ROW_BYTES: Final = 40
_NUMBER_BYTES: Final = 8
_WITH_INDEXES: Final = 2.0
"""How much more room a row takes with its indexes and what is empty between rows."""

_SPARE: Final = 0.05
"""The share of empty pages that stays in SQLite's file for the next rows."""

_VACUUMED_AT_ONCE: Final = 1000
"""Pages of 4 KiB."""

Key = tuple[Any, ...]


def cutoff(
    connection: Connection,
    limit: KeepLimit,
    table: Table,
    moment: ColumnElement[float],
    *conditions: ColumnElement[bool],
) -> float | None:
    """Return the time before which rows are not kept, None if all are.

    Args:
        connection: to the ledger.
        limit: an age; or a size, which all rows of the table together take about, with their indexes.
        table: rows with ids in the order of their time.
        moment: the time of a row, of its columns.
        conditions: which rows of the table count, all without any.

    """
    if limit.seconds is not None:
        now: float = connection.execute(select(statement_now())).scalar_one()
        return now - limit.seconds
    first, last = connection.execute(select(func.min(table.c.id), func.max(table.c.id)).where(*conditions)).one()
    if first is None:
        return None
    rows = last - first + 1
    size = rows * _row_bytes(connection, table, *conditions)
    if size <= (limit.size or 0):
        return None
    kept_from = last - int(rows * (limit.size or 0) / size)
    at = select(moment).where(table.c.id >= kept_from).order_by(table.c.id).limit(1)
    return float(connection.execute(at).scalar_one())


def _row_bytes(connection: Connection, table: Table, *conditions: ColumnElement[bool]) -> float:
    length = func.octet_length if connection.dialect.name == "postgresql" else func.length
    sizes: list[ColumnElement[Any]] = [
        func.coalesce(length(column), 0) if isinstance(column.type, Text) else literal(_NUMBER_BYTES)
        for column in table.c
    ]
    one = sum(sizes[1:], sizes[0]).label("bytes")
    newest = select(one).where(*conditions).order_by(table.c.id.desc()).limit(_MEASURED).subquery()
    average = connection.execute(select(func.avg(newest.c.bytes))).scalar()
    return (float(average or 0) + _ROW_BYTES) * _WITH_INDEXES


def delete_by_id(connection: Connection, table: Table, conditions: Sequence[Any], order: Any, most: int) -> int:
    """Delete the first rows that meet conditions; return how many.

    Args:
        connection: a transaction that writes.
        table: the rows, which have an id.
        conditions: which rows; an index leads to them in the order.
        order: the column they are ordered by.
        most: how many at once.

    """
    some = select(table.c.id).where(*conditions).order_by(order).limit(most)
    return connection.execute(delete(table).where(table.c.id.in_(some.scalar_subquery()))).rowcount


def next_keys(
    connection: Connection, table: Table, after: Key | None, most: int, *conditions: Any
) -> Sequence[Row[Any]]:
    """Return the primary keys of the next rows in their order.

    Args:
        connection: to the ledger.
        table: what is walked through.
        after: the key before them, None for the first ones.
        most: how many at once.
        conditions: which rows.

    """
    key = tuple(table.primary_key)
    chosen = select(*key).where(*conditions).order_by(*key).limit(most)
    if after is not None:
        mark = [literal(value, column.type) for value, column in zip(after, key, strict=True)]
        chosen = chosen.where(tuple_(*key) > tuple_(*mark) if len(key) > 1 else key[0] > mark[0])
    return connection.execute(chosen).all()


def within(table: Table, first: Key, last: Key) -> ColumnElement[bool]:
    """Return the condition that the primary key of a row lies between two, both included.

    Args:
        table: the rows.
        first: the smallest key.
        last: the largest.

    """
    key = tuple(table.primary_key)
    low, high = (
        [literal(value, column.type) for value, column in zip(each, key, strict=True)] for each in (first, last)
    )
    if len(key) == 1:
        return key[0].between(low[0], high[0])
    return (tuple_(*key) >= tuple_(*low)) & (tuple_(*key) <= tuple_(*high))


def vacuum(connection: Connection) -> int:
    """Return some of SQLite's empty pages to the disk; return how many. PostgreSQL does this by itself.

    A file that an older version made keeps its empty pages for new rows.
    """
    if connection.dialect.name != "sqlite":
        return 0
    free, pages = (
        connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in ("freelist_count", "page_count")
    )
    if free <= _SPARE * pages:
        return 0
    # Each step of the statement frees one page; SQLAlchemy makes one step of a statement without columns.
    raw: Any = connection.connection.driver_connection
    raw.execute(f"PRAGMA incremental_vacuum({_VACUUMED_AT_ONCE})").fetchall()
    left: int = connection.exec_driver_sql("PRAGMA freelist_count").scalar_one()
    return int(free) - left
