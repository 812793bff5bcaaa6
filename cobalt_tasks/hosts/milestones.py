"""What is a change once only, decided by a unique key."""

from sqlalchemy import Connection

from cobalt_tasks.db.bulk import insert_into
from cobalt_tasks.db.tables import milestones


def reach(connection: Connection, kind: str, subject: str, now: float) -> bool:
    """Note that something was reached; return whether it was the first time.

    connection: a transaction that writes; kind: of change; subject: what of that kind; now: epoch seconds.
    """
    row = {"kind": kind, "subject": subject, "noted_at": now}
    made = insert_into(connection, milestones).values(row).on_conflict_do_nothing().returning(milestones.c.kind)
    return connection.execute(made).first() is not None
