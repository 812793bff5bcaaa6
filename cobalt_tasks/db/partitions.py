"""PostgreSQL's table of connections is divided by days: parts are made ahead, and dropped when they are not kept any more.

The table is partitioned by id, and ids of one day lie in a span of their own (`db/connection_ids.py`): so the id alone is
unique, a look-up by id goes to one part, and a clock that is stepped puts no row into a part that is not there. A part
holds a week, or a day where few days are kept. What was stored before the first move is in the part `observations_old`.

Each statement that locks the table waits for it at most a second, and is tried again in the next round.
"""

import re
import time
from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError

from cobalt_tasks.core.durations import DAY
from cobalt_tasks.core.keep_limits import KeepLimit
from cobalt_tasks.db import counts
from cobalt_tasks.db.connection_ids import IDS_A_DAY
from cobalt_tasks.db.engine import Database, statement_now
from cobalt_tasks.db.tables import observations

OLD: Final = "observations_old"
"""The part of ids below those of any day."""

_AHEAD: Final = 3
"""Days for which there is a part before they start."""

_WEEK: Final = 7
_DAILY_BELOW: Final = 28 * DAY
_PART: Final = re.compile(r"observations_d(\d+)_(\d+)")
_GONE: Final = "observations_gone"
_COUNTED_AT_ONCE: Final = 200_000
_LOCK_SECONDS: Final = 1
_SECONDS: Final = 1.0
_LOCK_NOT_AVAILABLE: Final = "55P03"


class Part(Struct, frozen=True, order=True):
    """The part of some days, from `first` up to `end` (days since the epoch, `end` not included)."""

    first: int
    end: int

    @property
    def name(self) -> str:
        """The name of its table."""
        return f"observations_d{self.first}_{self.end}"


def keep_up(database: Database, limit: KeepLimit | None) -> None:
    """Make the parts of the next days, and start the ids of today. Does nothing on SQLite.

    Args:
        database: the ledger, whose clock is trusted.
        limit: how long connections are kept, None for ever.

    """
    if database.is_sqlite:
        return
    with database.reading() as connection:
        today, found = _today(connection), parts(connection)
    span = _WEEK if limit is None or (limit.seconds or 0) >= _DAILY_BELOW else 1
    end = max((part.end for part in found), default=0)
    while end <= today + _AHEAD:
        part = Part(max(end, today), max(end, today) + span)
        if not _locking(database, f"CREATE TABLE {part.name} ({_LIKE}); {_attach(part)}"):
            return
        end = part.end
    database.write(_start_ids, today)


def drop_old(database: Database, limit: KeepLimit, read: int) -> int:
    """Drop the parts that are not kept, the oldest first; return how many were.

    Args:
        database: the ledger, whose clock is trusted.
        limit: how long, or up to which size, connections are kept.
        read: the last id that scoring has read: newer ones stay.

    """
    if database.is_sqlite:
        return 0
    dropped = 0
    with database.reading() as connection:
        old = _to_drop(connection, limit, read)
    for part in old:
        # Not to be seen any more at once; its rows are counted off in small steps, and then it goes.
        change = f"ALTER TABLE observations DETACH PARTITION {part.name}; ALTER TABLE {part.name} RENAME TO {_GONE}_{part.name}"
        dropped += _locking(database, change)
    until = time.monotonic() + _SECONDS
    while database.write(_count_off) and time.monotonic() < until:
        pass
    return dropped


def parts(connection: Connection) -> list[Part]:
    """Return the parts of days, the oldest first."""
    names = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'observations'::regclass"
    found = (_PART.fullmatch(name) for name in connection.exec_driver_sql(names).scalars())
    return sorted(Part(int(match[1]), int(match[2])) for match in found if match)


_LIKE: Final = "LIKE observations INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES"


def _attach(part: Part) -> str:
    first, end = part.first * IDS_A_DAY, part.end * IDS_A_DAY
    return f"ALTER TABLE observations ATTACH PARTITION {part.name} FOR VALUES FROM ({first}) TO ({end})"


def _locking(database: Database, statements: str) -> bool:
    """Run statements that lock the table, in one transaction; return whether it could be locked."""

    def change(connection: Connection) -> None:
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'")
        for statement in statements.split("; "):
            connection.exec_driver_sql(statement)

    try:
        with database.engine.begin() as connection:
            change(connection)
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == _LOCK_NOT_AVAILABLE:
            return False
        raise
    return True


def _today(connection: Connection) -> int:
    return int(connection.execute(select(statement_now())).scalar_one() // DAY)


def _start_ids(connection: Connection, today: int) -> None:
    """Move the sequence of ids to the part of today, if it is before that."""
    part = next((part for part in parts(connection) if part.first <= today < part.end), None)
    if part is not None and _last_id(connection) < part.first * IDS_A_DAY:
        connection.exec_driver_sql(
            "SELECT setval(pg_get_serial_sequence('observations', 'id'), %s)", (part.first * IDS_A_DAY,)
        )


def _last_id(connection: Connection) -> int:
    name: str = connection.exec_driver_sql("SELECT pg_get_serial_sequence('observations', 'id')").scalar_one()
    last: int = connection.exec_driver_sql(f"SELECT last_value FROM {name}").scalar_one()  # noqa: S608  # our own name
    return last


def _to_drop(connection: Connection, limit: KeepLimit, read: int) -> Sequence[Part]:
    """Return the parts that go: of those that no id is drawn for any more, and that scoring has read."""
    current = _last_id(connection) // IDS_A_DAY
    ended = [part for part in parts(connection) if part.end <= current and _newest(connection, part)[0] <= read]
    if limit.seconds is not None:
        oldest = connection.execute(select(statement_now())).scalar_one() - limit.seconds
        return [part for part in ended if _newest(connection, part)[1] < oldest]
    gone: list[Part] = []
    size = sum(_size(connection, part.name) for part in parts(connection))
    for part in ended:
        if size <= (limit.size or 0):
            break
        size -= _size(connection, part.name)
        gone.append(part)
    return gone


def _newest(connection: Connection, part: Part) -> tuple[int, float]:
    """Return (last id, last arrival) of a part; 0 and 0 of an empty one."""
    last = f"SELECT coalesce(max(id), 0), coalesce(max(arrived_at), 0) FROM {part.name}"  # noqa: S608  # our own name
    newest, arrived = connection.exec_driver_sql(last).one()
    return newest, arrived


def _size(connection: Connection, name: str) -> int:
    return int(connection.exec_driver_sql("SELECT pg_total_relation_size(%s)", (name,)).scalar_one())


def _count_off(connection: Connection) -> bool:
    """Subtract some rows of a part that is gone from the count, and drop it at its end; return whether there was one."""
    names = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE %s ORDER BY relname LIMIT 1"
    name = connection.exec_driver_sql(names, (f"{_GONE}\\_%",)).scalar()
    if name is None:
        return False
    # Nothing writes there any more: what was counted off is deleted with it.
    some = f"SELECT id FROM {name} ORDER BY id LIMIT {_COUNTED_AT_ONCE}"  # noqa: S608  # our own name
    number, last = connection.exec_driver_sql(f"SELECT count(*), max(id) FROM ({some}) AS piece").one()  # noqa: S608
    counts.add(connection, observations, -number)
    if number < _COUNTED_AT_ONCE:
        connection.exec_driver_sql(f"DROP TABLE {name}")
    else:
        connection.exec_driver_sql(f"DELETE FROM {name} WHERE id <= %s", (last,))  # noqa: S608  # our own name
    return True
