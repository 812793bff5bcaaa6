"""Records every statement that reaches any database of this process, with its time and its plan."""

import contextlib
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from sqlalchemy import Engine, event

LARGE = (
    "hosts",
    "ports",
    "observations",
    "jobs",
    "freshness",
    "locations",
    "scores",
    "findings",
    "hostnames",
    "sightings",
    "banners",
    "rejects",
)
_WALKS = re.compile(rf"\bSCAN ({'|'.join(LARGE)})\b(?! USING)|Seq Scan on ({'|'.join(LARGE)})\b")
_EXPLAINED = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")


class Statement:
    """One statement: its slowest time, its plan, and the large table that it reads from end to end, if any."""

    def __init__(self, sql: str) -> None:
        """Record no time yet."""
        self.sql = sql
        self.milliseconds = 0.0
        self.times = 0
        self.plan: list[str] = []

    @property
    def walks(self) -> str:
        """The large tables that are read from end to end; SQLite reports the same for a page in the order of the ids."""
        if re.search(r"ORDER BY \w+\.id( DESC)?\s+LIMIT", self.sql):
            return ""
        found = (_WALKS.search(line) for line in self.plan)
        return ", ".join(sorted({match.group(1) or match.group(2) for match in found if match}))


class Step:
    """What was done between two looks, and the statements of it."""

    def __init__(self, name: str) -> None:
        """Record no statement yet."""
        self.name = name
        self.note = ""
        self.milliseconds = 0.0
        self._statements: dict[str, Statement] = {}

    @property
    def statements(self) -> list[Statement]:
        """The different statements, the slowest first."""
        return sorted(self._statements.values(), key=lambda each: -each.milliseconds)

    @property
    def slowest_ms(self) -> float:
        """The time of the slowest statement."""
        return max((each.milliseconds for each in self._statements.values()), default=0.0)

    def add(self, sql: str, milliseconds: float) -> Statement:
        """Add one execution of a statement."""
        found = self._statements.setdefault(sql, Statement(sql))
        found.times += 1
        found.milliseconds = max(found.milliseconds, milliseconds)
        return found


class Recorder:
    """Listens to all engines while it is open. Only one step is recorded at a time."""

    def __init__(self) -> None:
        """Listen to nothing yet."""
        self._step: Step | None = None
        self._ahead: float | None = None
        self.explaining = 0.0
        self._plans: dict[str, list[str]] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        """Listen."""
        event.listen(Engine, "before_cursor_execute", self._before)
        event.listen(Engine, "after_cursor_execute", self._after)
        return self

    def __exit__(self, *_error: object) -> None:
        """Listen no more."""
        event.remove(Engine, "before_cursor_execute", self._before)
        event.remove(Engine, "after_cursor_execute", self._after)

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Record what is executed in the block."""
        step = self._step = Step(name)
        self.explaining = 0.0
        began = time.perf_counter()
        yield step
        step.milliseconds = (time.perf_counter() - began - self.explaining) * 1000
        self._step = None

    def _before(self, connection: Any, cursor: Any, sql: str, parameters: Any, _context: Any, many: bool) -> None:  # noqa: FBT001
        began = time.perf_counter()
        if self._step is not None and sql not in self._plans and sql.lstrip()[:6].upper().startswith(_EXPLAINED):
            self._plans[sql] = [] if many and not parameters else self._explain(connection, sql, parameters, many)
        self._ahead = None
        is_recorded = self._step is not None and sql in self._plans and not many
        if is_recorded and connection.dialect.name == "sqlite" and sql.lstrip()[:6].upper() in {"SELECT", "WITH R"}:
            # SQLite finds rows while they are fetched: so it is done once more, to know how long that takes.
            started = time.perf_counter()
            cursor.execute(sql, parameters)
            cursor.fetchall()
            self._ahead = (time.perf_counter() - started) * 1000
        with self._lock:
            self.explaining += time.perf_counter() - began
        connection.info["began"] = time.perf_counter()

    def _after(self, connection: Any, _cursor: Any, sql: str, _parameters: Any, _context: Any, _many: bool) -> None:  # noqa: FBT001
        taken = (time.perf_counter() - connection.info.pop("began", time.perf_counter())) * 1000
        if (step := self._step) is not None and sql in self._plans:
            with self._lock:
                step.add(sql, taken if self._ahead is None else self._ahead).plan = self._plans[sql]

    def _explain(self, connection: Any, sql: str, parameters: Any, many: bool) -> list[str]:  # noqa: FBT001
        explain = "EXPLAIN QUERY PLAN " if connection.dialect.name == "sqlite" else "EXPLAIN (COSTS OFF) "
        # A cursor of its own: that of the statement may be one of the server's, which explains nothing.
        with contextlib.closing(connection.connection.cursor()) as cursor:
            cursor.execute(explain + sql, parameters[0] if many else parameters)
            return [str(row[-1]) for row in cursor.fetchall()]
