"""Every source with its counts, and what was refused, page by page: the newest first."""

from typing import Any, Final

from sqlalchemy import Connection, Select, select

from cobalt_tasks.db.tables import rejects, sources

Row = dict[str, Any]

_SOURCE: Final = (
    *("id", "name", "generation", "format", "read", "accepted", "duplicates", "rejected", "ignored"),
    *("position", "created_at", "updated_at"),
)
_REJECT: Final = ("id", "source_id", "position", "reason", "arrived_at")


def refused() -> Select[Any]:
    """Return a select of refused records with the names of their sources; not the records themselves."""
    columns = (rejects.c[name] for name in _REJECT)
    return select(*columns, sources.c.name.label("source")).outerjoin(sources, sources.c.id == rejects.c.source_id)


def source_page(connection: Connection, limit: int, before: int | None = None) -> list[Row]:
    """Return sources, the newest first.

    Args:
        connection: to the ledger.
        limit: sources at most.
        before: only those with smaller ids; None: from the newest.

    """
    chosen = select(*(sources.c[name] for name in _SOURCE)).order_by(sources.c.id.desc()).limit(limit)
    if before is not None:
        chosen = chosen.where(sources.c.id < before)
    return [dict(row) for row in connection.execute(chosen).mappings()]


def reject_page(connection: Connection, limit: int, source: int | None = None, before: int | None = None) -> list[Row]:
    """Return refused records with their reasons, the newest first; not the records themselves.

    Args:
        connection: to the ledger.
        limit: records at most.
        source: only those of the source with this id; None: of all.
        before: only those with smaller ids; None: from the newest.

    """
    chosen = refused()
    if source is not None:
        chosen = chosen.where(rejects.c.source_id == source)
    if before is not None:
        chosen = chosen.where(rejects.c.id < before)
    rows = connection.execute(chosen.order_by(rejects.c.id.desc()).limit(limit)).mappings()
    return [dict(row) for row in rows]
