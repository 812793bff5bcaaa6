"""How the periodic rounds went: a round counts when it ended well."""

from typing import Final

from msgspec import Struct
from sqlalchemy import Connection, null, select

from cobalt_tasks.db.bulk import insert_into
from cobalt_tasks.db.engine import database_now
from cobalt_tasks.db.tables import rounds

_LONGEST_REASON: Final = 300
_SKEW_SECONDS: Final = 5.0
"""A moment further ahead than this was written before the database's clock was stepped back."""


class Round(Struct, frozen=True, kw_only=True):
    """One sort of round; ages in seconds by the database's clock, None for never, or not since that clock was stepped back.

    Attributes:
        started: since the last one started.
        ended: since the last one ended well.
        failures: how many failed in a row since.
        reason: why the last one failed, None when it ended well.

    """

    name: str
    started: float | None
    ended: float | None
    failures: int
    reason: str | None


def start(connection: Connection, name: str) -> None:
    """Remember that a round starts."""
    insert = insert_into(connection, rounds).values(name=name, started_at=database_now(), failures=0)
    connection.execute(insert.on_conflict_do_update(index_elements=["name"], set_={"started_at": database_now()}))


def end(connection: Connection, name: str) -> None:
    """Remember that a round ended well."""
    values = {"ended_at": database_now(), "failures": 0, "reason": null()}
    insert = insert_into(connection, rounds).values(name=name, started_at=database_now(), **values)
    connection.execute(insert.on_conflict_do_update(index_elements=["name"], set_=values))


def fail(connection: Connection, name: str, reason: str) -> bool:
    """Remember why a round failed; return whether the one before did not fail for the same reason."""
    reason = reason[:_LONGEST_REASON]
    before = connection.execute(select(rounds.c.reason).where(rounds.c.name == name)).scalar()
    insert = insert_into(connection, rounds).values(name=name, started_at=database_now(), failures=1, reason=reason)
    again = {"failures": rounds.c.failures + 1, "reason": reason}
    connection.execute(insert.on_conflict_do_update(index_elements=["name"], set_=again))
    return bool(before != reason)


def find(connection: Connection) -> dict[str, Round]:
    """Return every sort of round that was ever started, by name."""
    clock = database_now()
    query = select(
        rounds.c.name, clock - rounds.c.started_at, clock - rounds.c.ended_at, rounds.c.failures, rounds.c.reason
    )
    return {
        name: Round(name=name, started=_age(started), ended=_age(ended), failures=failures, reason=reason)
        for name, started, ended, failures, reason in connection.execute(query)
    }


def _age(seconds: float | None) -> float | None:
    return None if seconds is None or seconds < -_SKEW_SECONDS else max(0.0, seconds)
