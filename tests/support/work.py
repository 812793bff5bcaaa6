"""How much work a database does: steps of SQLite's virtual machine, rows that pass through PostgreSQL's plans."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, event

from cobalt_tasks.db.engine import Database


def work(database: Database, do: Callable[[], object]) -> int:
    """Return the work of the statements that `do` executes; a count, so that a busy machine does not change it."""
    return _steps(database, do) if database.is_sqlite else _rows(database, do)


def _steps(database: Database, do: Callable[[], object]) -> int:
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    def watch(connection: Connection) -> None:
        connection.connection.driver_connection.set_progress_handler(count, 10)  # type: ignore[union-attr]

    event.listen(database.engine, "begin", watch)
    try:
        do()
    finally:
        event.remove(database.engine, "begin", watch)
        database.dispose()
    return steps


def _rows(database: Database, do: Callable[[], object]) -> int:
    rows = 0

    def explain(connection: Connection, _cursor: object, statement: str, parameters: Any, *rest: object) -> None:
        nonlocal rows
        if statement.split(maxsplit=1)[0].upper() in {"SELECT", "WITH"} and not rest[-1]:
            # A cursor of its own: one of the server's takes no EXPLAIN.
            with connection.connection.cursor() as own:  # type: ignore[attr-defined]
                own.execute("EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) " + statement, parameters)
                rows += _passed(own.fetchone()[0][0]["Plan"])

    event.listen(database.engine, "before_cursor_execute", explain)
    try:
        do()
    finally:
        event.remove(database.engine, "before_cursor_execute", explain)
    return rows


def _passed(plan: dict[str, Any]) -> int:
    """Return the rows that a node of a plan and those below it gave or refused."""
    refused = ("Rows Removed by Filter", "Rows Removed by Join Filter", "Rows Removed by Index Recheck")
    own = plan["Actual Rows"] + sum(plan.get(name, 0) for name in refused)
    return int(own * plan["Actual Loops"]) + sum(map(_passed, plan.get("Plans", ())))
