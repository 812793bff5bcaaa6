"""How the ledger is opened: SQLite for a laptop, PostgreSQL beyond, the same calls for both."""

import random
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import URL, Connection, Dialect, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.exc import ArgumentError, DatabaseError, DBAPIError, InterfaceError, NoSuchModuleError, OperationalError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import Double

from cobalt_tasks.core.errors import ConfigurationError, OutOfTimeError
from cobalt_tasks.core.private_files import refuse_planted
from cobalt_tasks.db import availability

P = ParamSpec("P")
T = TypeVar("T")

_BUSY_SECONDS = 30
_CONNECT_SECONDS = 5
_TRIES = 8
_LITTLE_CACHE_KIB = 8192
_POOL_SIZE, _MOST_CONNECTIONS = 5, 15
"""Connections a process keeps, and those it may open. A worker process uses two, one for its work and one for its leases."""

_SEEK_COST = 1.1
"""What PostgreSQL plans with for a page that an index finds, beside 1 for the next page of a table: its default of 4 is that of
a turning disk, and makes it read a whole table for a thousand of its rows.
"""

_IDLE = "30s"
"""How long a transaction may be idle."""

_STEPS_BETWEEN_LOOKS = 10_000
"""Steps of SQLite's machine between two looks at a deadline: about a millisecond."""
_LIMITED = "cobalt_limited"
_CANCELED, _INTERRUPTED = "57014", "SQLITE_INTERRUPT"
_READ_ONLY = "cobalt_read_only"
_POOL = "pool"
_RETRYABLE = frozenset({"40001", "40P01", "23505"})
"""PostgreSQL's serialization failure and deadlock; and a unique key that another transaction took after we had looked."""


class database_now(FunctionElement[float]):  # noqa: N801  # reads as the SQL it stands for
    """The database's clock, in epoch seconds: the only clock leases and quotas go by."""

    type = Double()
    inherit_cache = True


@compiles(database_now, "sqlite")
def _now_sqlite(*_args: object, **_options: object) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(database_now, "postgresql")
def _now_postgresql(*_args: object, **_options: object) -> str:
    return "CAST(extract(epoch FROM clock_timestamp()) AS double precision)"


class statement_now(FunctionElement[float]):  # noqa: N801
    """The database's clock at the start of the statement: one value for all its rows, and indexes are searched by it,
    which no planner does by a clock that moves on.
    """

    type = Double()
    inherit_cache = True


compiles(statement_now, "sqlite")(_now_sqlite)


@compiles(statement_now, "postgresql")
def _statement_now_postgresql(*_args: object, **_options: object) -> str:
    return "CAST(extract(epoch FROM statement_timestamp()) AS double precision)"


class Database:
    """One process's connections to the ledger."""

    def __init__(self, url: str) -> None:
        """Open lazily: nothing is connected before the first query.

        Raises:
            ConfigurationError: the URL cannot be used.

        """
        try:
            parsed = make_url(url)
            if parsed.drivername in {"postgresql", "postgres"}:
                parsed = parsed.set(drivername="postgresql+psycopg")
            self.is_sqlite = parsed.get_backend_name() == "sqlite"
            self.engine = _ENGINES[parsed.drivername](parsed)
        except (ArgumentError, NoSuchModuleError, KeyError, ValueError):
            # Without the cause: its text may hold the URL's password.
            message = "COBALT_DATABASE_URL: use sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME"
            raise ConfigurationError(message) from None
        self._limit = _Limit()
        event.listen(self.engine, "begin", self._limit.apply, insert=True)
        self._pools = _Pools()
        event.listen(self.engine, "connect", self._pools.mark)
        event.listen(self.engine, "checkin", self._pools.close_late)
        # A command that ends without disposing leaves no connection open behind it.
        weakref.finalize(self, self.engine.dispose)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a connection that sees one state of the ledger and writes nothing."""
        with _named_errors(), self.engine.connect() as connection:
            yield connection.execution_options(**{_READ_ONLY: True})

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Yield a transaction that commits at the end of the block, or not at all."""
        with _named_errors(), self.engine.begin() as connection:
            yield connection

    def write(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work(connection, …)` in a transaction, again from its start when the database had to break a deadlock.

        Raises:
            DatabaseUnavailableError: the database does not answer, or deadlocks go on.

        """
        for tried in range(1, _TRIES + 1):
            try:
                with self.engine.begin() as connection:
                    return work(connection, *args, **kwargs)
            except DBAPIError as error:
                if not _is_retryable(error) or tried == _TRIES:
                    raise _unavailable(error) from error
                time.sleep(random.uniform(0, 0.02 * 2**tried))  # noqa: S311
        raise AssertionError

    @contextmanager
    def deadline(self, seconds: float) -> Iterator[None]:
        """Within the block, interrupt what this thread still asks the database after `seconds`.

        Raises:
            OutOfTimeError: a statement was interrupted, or a transaction was to start after that time.

        """
        self._limit.until = time.monotonic() + seconds
        try:
            yield
        finally:
            self._limit.until = None

    def cache_little(self) -> None:
        """Keep few pages of a SQLite file in memory from now on, for a process that reads through it once."""
        if self.is_sqlite:
            self.engine.dispose()

            @event.listens_for(self.engine, "connect")
            def _configure(connection: DBAPIConnection, _record: object) -> None:
                connection.cursor().execute(f"PRAGMA cache_size=-{_LITTLE_CACHE_KIB}")

    def dispose(self) -> None:
        """Close every connection; one that another thread still uses is closed when that is done with it."""
        self._pools.number += 1
        self.engine.dispose()


class _Pools:
    """Closes connections of a pool that was disposed of as they come back: nothing else would."""

    number = 0

    def mark(self, _connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        """Note of a new connection which pool it is of."""
        record.info[_POOL] = self.number

    def close_late(self, _connection: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
        """Close a connection that comes back to a pool that is gone."""
        if record.info.get(_POOL, self.number) != self.number:
            record.invalidate()


class _Limit(threading.local):
    """Until when a thread may ask the database, by its monotonic clock; None: as long as it likes."""

    until: float | None = None

    def apply(self, connection: Connection) -> None:
        """Limit the statements of a new transaction."""
        left = None if self.until is None else self.until - time.monotonic()
        if left is not None and left <= 0:
            raise OutOfTimeError
        if connection.dialect.name == "postgresql":
            if left is not None:
                connection.exec_driver_sql(f"SET LOCAL statement_timeout = {_milliseconds(left)}")
        elif left is not None or connection.info.pop(_LIMITED, False):
            connection.info[_LIMITED] = left is not None
            busy = _BUSY_SECONDS if left is None else min(left, _BUSY_SECONDS)
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {_milliseconds(busy)}")
            raw: Any = connection.connection.driver_connection
            raw.set_progress_handler(None if self.until is None else self._is_over, _STEPS_BETWEEN_LOOKS)

    def _is_over(self) -> bool:
        return self.until is not None and time.monotonic() >= self.until


def _milliseconds(seconds: float) -> int:
    return max(1, int(1000 * seconds))


@contextmanager
def _named_errors() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise _unavailable(error) from error


def _unavailable(error: DBAPIError) -> Exception:
    # SQLite raises DatabaseError itself for a file that is none, or is damaged.
    if (
        getattr(error.orig, "sqlstate", None) == _CANCELED
        or getattr(error.orig, "sqlite_errorname", "") == _INTERRUPTED
    ):
        return OutOfTimeError()
    is_away = isinstance(error, OperationalError | InterfaceError) or type(error) is DatabaseError
    if is_away or error.connection_invalidated:
        first_line = str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else type(error.orig).__name__
        return availability.named(first_line)
    return error


def _is_retryable(error: DBAPIError) -> bool:
    return getattr(error.orig, "sqlstate", None) in _RETRYABLE or "database is locked" in str(error.orig)


def sqlite_folder(url: str) -> Path | None:
    """Return the folder of a SQLite database; None for another database, or one in memory."""
    parsed = make_url(url)
    file = parsed.database if parsed.get_backend_name() == "sqlite" else None
    return Path(file).parent if file and file != ":memory:" else None


def _sqlite(url: URL) -> Engine:
    file = url.database
    if file and file != ":memory:":
        refuse_planted(Path(file), "COBALT_DATABASE_URL")
        folder = Path(file).parent
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise ConfigurationError(f"the database's folder {folder} cannot be used: {error.strerror}") from error
    engine = create_engine(url, connect_args={"timeout": _BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def _configure(connection: DBAPIConnection, _record: object) -> None:
        # The driver would start transactions by itself, deferred, and then fail instead of waiting for the lock.
        connection.isolation_level = None
        cursor = connection.cursor()
        # Pages that become empty can be given back to the disk. Only for an empty file: elsewhere it changes nothing, and
        # still waits for the writer, which may be this thread.
        if cursor.execute("PRAGMA page_count").fetchone() == (0,):
            cursor.execute("PRAGMA auto_vacuum=INCREMENTAL")
        _use_write_ahead_log(cursor)
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA cache_size=-65536")
        # In a flood the same pages change again and again: they go into the file once, not a thousand times.
        cursor.execute("PRAGMA wal_autocheckpoint=4000")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        read_only = connection.get_execution_options().get(_READ_ONLY)
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine


def _use_write_ahead_log(cursor: DBAPICursor) -> None:
    """Switch a file to the write-ahead log; of several processes that open a new file at once, SQLite makes one wait and the
    others fail at once (its busy handler is not called where two wait for each other).
    """
    give_up_at = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "database is locked" not in str(error) or time.monotonic() > give_up_at:
                raise
            time.sleep(random.uniform(0.01, 0.05))  # noqa: S311
        else:
            return


def _postgresql(url: URL) -> Engine:
    engine = create_engine(
        url,
        pool_pre_ping=True,
        pool_size=_POOL_SIZE,
        max_overflow=_MOST_CONNECTIONS - _POOL_SIZE,
        connect_args={
            "connect_timeout": _CONNECT_SECONDS,
            "options": f"-c idle_in_transaction_session_timeout={_IDLE} -c timezone=UTC -c random_page_cost={_SEEK_COST}",
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
        },
    )
    event.listen(engine, "do_connect", _connect)
    return engine


def _connect(dialect: Dialect, _record: object, arguments: Any, options: dict[str, Any]) -> Any:
    """Connect to PostgreSQL, or to a PgBouncer before it: that refuses options, or ignores them, and each transaction may get
    another connection, which knows no prepared statements.
    """
    try:
        connection: Any = dialect.connect(*arguments, **options)
    except dialect.loaded_dbapi.OperationalError as error:
        if "unsupported startup parameter" not in str(error):
            raise
        # SQLAlchemy keeps them for this engine's next connections.
        del options["options"]
        connection = dialect.connect(*arguments, **options)
    except dialect.loaded_dbapi.ProgrammingError:
        # Without its message: that may be a part of a password.
        raise ConfigurationError("COBALT_DATABASE_URL: PostgreSQL knows no such option behind its ?") from None
    idle = connection.execute("SHOW idle_in_transaction_session_timeout").fetchone()
    connection.rollback()
    if idle != (_IDLE,):
        connection.prepare_threshold = None
    return connection


_ENGINES = {"sqlite": _sqlite, "postgresql+psycopg": _postgresql}
