"""Input lines that were refused, kept with their reason and position."""

from collections.abc import Sequence

from msgspec import Struct
from sqlalchemy import Connection, delete, func, select

from cobalt_tasks.db.tables import rejects, sources

KEPT_BYTES = 4096
"""Bytes of a refused line that are kept."""


class Rejected(Struct, frozen=True, kw_only=True):
    """A refused line as the ledger keeps it."""

    id: int
    source_id: int
    source: str
    generation: int
    format: str | None
    position: int
    reason: str
    line: bytes
    arrived_at: float

    @property
    def is_whole(self) -> bool:
        """Whether the line was short enough to be kept as a whole."""
        return len(self.line) < KEPT_BYTES


def listing(
    connection: Connection,
    *,
    source: str | None = None,
    after: int = 0,
    limit: int = 100,
) -> list[Rejected]:
    """Return up to `limit` refused lines of `source` (None: of all) with an id above `after`, the oldest first."""
    statement = (
        select(
            rejects.c.id,
            rejects.c.source_id,
            sources.c.name.label("source"),
            sources.c.generation,
            sources.c.format,
            rejects.c.position,
            rejects.c.reason,
            rejects.c.line,
            rejects.c.arrived_at,
        )
        .join(sources, sources.c.id == rejects.c.source_id)
        .where(rejects.c.id > after)
        .order_by(rejects.c.id)
        .limit(limit)
    )
    if source is not None:
        # By their ids, the first column of the index of rejects.
        named = list(connection.execute(select(sources.c.id).where(sources.c.name == source)).scalars())
        statement = statement.where(rejects.c.source_id.in_(named))
    return [Rejected(**row._mapping) for row in connection.execute(statement)]  # noqa: SLF001  # its public name


def count(connection: Connection) -> int:
    """Return how many refused lines are kept."""
    return connection.execute(select(func.count()).select_from(rejects)).scalar_one()


def remove(connection: Connection, ids: Sequence[int]) -> set[int]:
    """Delete the refused lines with these `ids`; return those that were still there."""
    return set(connection.execute(delete(rejects).where(rejects.c.id.in_(ids)).returning(rejects.c.id)).scalars())
