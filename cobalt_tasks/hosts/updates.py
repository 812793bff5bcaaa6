"""Changes that stand for many hosts: a newer database of places, newer recognisers. Each counts the hosts it is about."""

import msgspec
from sqlalchemy import Connection, select, update

from cobalt_tasks.core.changes import Change
from cobalt_tasks.db.tables import changes, milestones
from cobalt_tasks.hosts.changes import lock_order
from cobalt_tasks.hosts.milestones import reach


def add(connection: Connection, change: Change, subject: str, hosts: int) -> None:
    """Count hosts in the change that stands for an update; make it for the first of them.

    connection: a transaction that writes; change: as it is made; subject: what the update is known by; hosts: how many.
    """
    lock_order(connection)
    reach(connection, change.kind, subject, change.observed_at)
    this = (milestones.c.kind == change.kind, milestones.c.subject == subject)
    change_id = connection.execute(select(milestones.c.change_id).where(*this).with_for_update()).scalar()
    if change_id is None:
        details = msgspec.json.encode({"hosts": hosts}).decode()
        row = {**msgspec.structs.asdict(change), "recorded_at": change.observed_at, "source_id": 0, "details": details}
        change_id = connection.execute(changes.insert().values(row).returning(changes.c.id)).scalar_one()
        connection.execute(update(milestones).where(*this).values(change_id=change_id))
        return
    known = connection.execute(select(changes.c.details).where(changes.c.id == change_id)).scalar()
    if known is not None:
        details = msgspec.json.encode({"hosts": msgspec.json.decode(known)["hosts"] + hosts}).decode()
        connection.execute(update(changes).where(changes.c.id == change_id).values(details=details))
