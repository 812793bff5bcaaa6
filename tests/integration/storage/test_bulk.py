"""The one way of handing many rows to a database."""

from sqlalchemy import Boolean, Double, Integer, Text, select

from cobalt_tasks.db import cursors, tables
from cobalt_tasks.db.bulk import encode, rows_of
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.upserts import upsert


def test_rows_come_back_as_they_were_given(database: Database) -> None:
    """Every column type survives the way through JSON, absent values included."""
    columns = {"n": Integer(), "x": Double(), "t": Text(), "b": Boolean()}
    given = [(1, 1795350017.25, "é\n'\"", True), (2, None, None, False)]
    with database.reading() as connection:
        rows = rows_of(connection, "given", columns)
        got = connection.execute(select(rows).order_by(rows.c.n), encode(given)).all()
    assert [tuple(row) for row in got] == given


def test_columns_of_rows_go_by_their_names(database: Database) -> None:
    """Whatever the order in which a row has them. Break: encode(row.values() ...) in upserts.upsert."""
    rows: list[dict[str, object]] = [{"name": "a", "position": 1}, {"position": 2, "name": "b"}]
    with database.writing() as connection:
        upsert(connection, tables.cursors, rows, replace=("position",))
        assert [cursors.position(connection, name) for name in "ab"] == [1, 2]
