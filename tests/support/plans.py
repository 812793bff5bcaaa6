"""The plans of statements."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, event

from cobalt_tasks.db.engine import Database


@contextmanager
def plans(database: Database) -> Iterator[list[str]]:
    """Collect the plan of every statement that is executed, beside executing it."""
    found: list[str] = []
    explain = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN (COSTS OFF) "

    def listen(_connection: Connection, cursor: object, statement: str, parameters: object, *rest: object) -> None:
        words = statement.split(maxsplit=1)[0].upper()
        many = rest[-1]
        if words in {"SELECT", "INSERT", "UPDATE", "DELETE"} and not many:
            cursor.execute(explain + statement, parameters)  # type: ignore[attr-defined]
            lines = [str(row[-1]) for row in cursor.fetchall()]  # type: ignore[attr-defined]
            found.append("\n".join([statement, *lines]))

    event.listen(database.engine, "before_cursor_execute", listen)
    try:
        yield found
    finally:
        event.remove(database.engine, "before_cursor_execute", listen)
