"""How far something that reads the ledger in order has come."""

from sqlalchemy import Connection, select

from cobalt_tasks.storage.bulk import insert_into, later
from cobalt_tasks.storage.models import cursors


def position(connection: Connection, name: str) -> float:
    """Return how far a reader has come, 0 at the beginning."""
    return connection.execute(select(cursors.c.position).where(cursors.c.name == name)).scalar() or 0.0


def move(connection: Connection, name: str, position: float) -> None:
    """Remember how far a reader has come; it never goes back."""
    insert = insert_into(connection, cursors).values(name=name, position=position)
    forward = later(insert.excluded.position, cursors.c.position)
    connection.execute(insert.on_conflict_do_update(index_elements=["name"], set_={"position": forward}))
