"""How far a reader of the ledger has come: an id, or a moment. Both are whole numbers, since an index of whole numbers
cannot be searched with a float.
"""

import math

from sqlalchemy import Connection, select, update

from cobalt_tasks.db.bulk import insert_into, later
from cobalt_tasks.db.tables import cursors

_MICROSECONDS = 1_000_000


def position(connection: Connection, name: str) -> int:
    """Return the last id that the reader `name` has read, 0 at the start."""
    return connection.execute(select(cursors.c.position).where(cursors.c.name == name)).scalar() or 0


def move(connection: Connection, name: str, position: int) -> None:
    """Store the last id that the reader `name` has read; a `position` before that is ignored."""
    insert = insert_into(connection, cursors).values(name=name, position=position)
    forward = later(insert.excluded.position, cursors.c.position)
    connection.execute(insert.on_conflict_do_update(index_elements=["name"], set_={"position": forward}))


def advance(connection: Connection, name: str, before: int, position: int) -> bool:
    """Move the reader `name` from the id `before` to the id `position`; return whether it still stood there."""
    if not before:
        new = insert_into(connection, cursors).values(name=name, position=position).on_conflict_do_nothing()
        if connection.execute(new.returning(cursors.c.name)).first() is not None:
            return True
    here = cursors.c.name == name, cursors.c.position == before
    return connection.execute(update(cursors).where(*here).values(position=position)).rowcount == 1


def moment(connection: Connection, name: str) -> float:
    """Return up to which time (epoch seconds) the reader `name` has read, 0 at the start."""
    return position(connection, name) / _MICROSECONDS


def move_to_moment(connection: Connection, name: str, moment: float) -> None:
    """Store up to which `moment` (epoch seconds) the reader `name` has read; an earlier one than before is ignored."""
    move(connection, name, math.ceil(moment * _MICROSECONDS))


def limit_to_moment(connection: Connection, name: str, moment: float) -> None:
    """Move the reader `name` back to `moment` (epoch seconds) if it is ahead: the clock was set back to it."""
    position = math.ceil(moment * _MICROSECONDS)
    ahead = cursors.c.name == name, cursors.c.position > position
    connection.execute(update(cursors).where(*ahead).values(position=position))


def storable(moment: float) -> float:
    """Return the first time at or after `moment` (epoch seconds) that a cursor holds exactly."""
    return math.ceil(moment * _MICROSECONDS) / _MICROSECONDS
