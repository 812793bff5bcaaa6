"""A lock by the database's clock: a process that takes it holds it for some seconds, and if that process ends, it is free after them."""

from typing import Final

from sqlalchemy import Connection, or_, select, update

from cobalt_tasks.db.bulk import insert_into
from cobalt_tasks.db.engine import database_now
from cobalt_tasks.db.tables import locks

_LONGEST: Final = 60.0


def take(connection: Connection, name: str, seconds: float) -> bool:
    """Acquire the lock `name` for some `seconds`, at most a minute; return whether that worked.

    One that is held for longer than that was taken before the clock was stepped back: it is over.
    """
    until = database_now() + seconds
    insert = insert_into(connection, locks).values(name=name, held_until=until)
    statement = insert.on_conflict_do_update(
        index_elements=["name"],
        set_={"held_until": until},
        where=or_(locks.c.held_until <= database_now(), locks.c.held_until > until),
    ).returning(locks.c.name)
    return connection.execute(statement).first() is not None


def release(connection: Connection, name: str, seconds: float) -> None:
    """Release the lock `name`, `seconds` from now."""
    connection.execute(update(locks).where(locks.c.name == name).values(held_until=database_now() + seconds))


def last_taken(connection: Connection, name: str) -> float | None:
    """Return how many seconds ago the lock `name` was over, negative while it is held.

    None when it was never taken, or not since the clock was stepped back.
    """
    query = select(database_now() - locks.c.held_until).where(locks.c.name == name)
    age: float | None = connection.execute(query).scalar()
    return None if age is None or age < -_LONGEST else age
