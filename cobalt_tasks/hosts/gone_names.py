"""Names that a host's reverse lookup does not have any more."""

import time
from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, bindparam, select, update

from cobalt_tasks.core.changes import Change, ChangeKind
from cobalt_tasks.db.bulk import one_of
from cobalt_tasks.db.tables import hostnames, hosts

_SOURCE: Final = "ptr"


def note(connection: Connection, answered: Mapping[str, set[str]]) -> list[Change]:
    """Note which names are gone, and which are back; return the changes, of hosts that a scan reported.

    answered: the names of each host whose lookup was answered; they have been written.
    """
    if not answered:
        return []
    chosen = select(hostnames.c.address, hostnames.c.name, hostnames.c.gone_since, hosts.c.discovered)
    chosen = chosen.outerjoin(hosts, hosts.c.address == hostnames.c.address)
    chosen = chosen.where(one_of(connection, hostnames.c.address, sorted(answered)), hostnames.c.source == _SOURCE)
    now = time.time()
    changed, found = [], []
    for row in connection.execute(chosen.order_by(hostnames.c.address, hostnames.c.name)).all():
        is_there = row.name in answered[row.address]
        if is_there == (row.gone_since is None):
            continue
        since = None if is_there else now
        changed.append({"of_address": row.address, "of_name": row.name, "since": since})
        if row.discovered:
            kind = ChangeKind.NAME_ADDED if is_there else ChangeKind.NAME_GONE
            text = {"new": row.name} if is_there else {"old": row.name}
            found.append(Change(kind=kind, address=row.address, observed_at=now, **text))
    if changed:
        this = (
            hostnames.c.address == bindparam("of_address"),
            hostnames.c.name == bindparam("of_name"),
            hostnames.c.source == _SOURCE,
        )
        connection.execute(update(hostnames).where(*this).values(gone_since=bindparam("since")), changed)
    return found
