"""How large the ledger is on disk, and how fast it grows."""

from typing import Final

from msgspec import Struct
from sqlalchemy import Connection, select

from cobalt_tasks.core.durations import DAY
from cobalt_tasks.db.bulk import insert_into
from cobalt_tasks.db.engine import database_now
from cobalt_tasks.db.tables import ledger_sizes

_DAYS: Final = 7
"""Growth is that of so many days, or of those since the ledger was made."""


class LedgerSize(Struct, frozen=True, kw_only=True):
    """Bytes on disk, bytes a day (None while it is not known for a day), and PostgreSQL's folder where it can be known."""

    bytes: int
    growth: float | None
    folder: str | None = None


def record(connection: Connection) -> None:
    """Keep the size of today, if it was not kept yet."""
    today = _today(connection)
    if connection.execute(select(ledger_sizes.c.day).where(ledger_sizes.c.day == today)).first() is None:
        new = insert_into(connection, ledger_sizes).values(day=today, bytes=_bytes(connection))
        connection.execute(new.on_conflict_do_nothing())


def find(connection: Connection) -> LedgerSize:
    """Return the size now, and the growth since a week ago."""
    size, today = _bytes(connection), _today(connection)
    chosen = select(ledger_sizes.c.day, ledger_sizes.c.bytes).where(ledger_sizes.c.day >= today - _DAYS)
    first = connection.execute(chosen.where(ledger_sizes.c.day < today).order_by(ledger_sizes.c.day).limit(1)).first()
    growth = None if first is None else (size - first.bytes) / (today - first.day)
    return LedgerSize(bytes=size, growth=growth, folder=_folder(connection))


def _today(connection: Connection) -> int:
    return int(connection.execute(select(database_now())).scalar_one() // DAY)


def _bytes(connection: Connection) -> int:
    if connection.dialect.name == "postgresql":
        return int(connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one())
    # Empty pages are room for what comes.
    pages, free, size = (
        connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _folder(connection: Connection) -> str | None:
    """Return the folder of a PostgreSQL on this machine, where this user may know it."""
    if connection.dialect.name != "postgresql":
        return None
    setting = "SELECT setting FROM pg_settings WHERE name = 'data_directory'"
    is_here = "(inet_server_addr() IS NULL OR inet_server_addr() <<= '127.0.0.0/8' OR inet_server_addr() = '::1')"
    found: str | None = connection.exec_driver_sql(f"{setting} AND {is_here}").scalar()
    return found
