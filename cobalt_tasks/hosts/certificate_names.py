"""Names of hosts from certificates that one source showed and another described, in whichever order they came.

A probe or a scanner brings both at once. A sensor logs which certificate a server showed apart from what is in it.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy import Connection, select

from cobalt_tasks.core.records import Certificate, Hostname, Sighting
from cobalt_tasks.core.text import hostname
from cobalt_tasks.db.bulk import one_of
from cobalt_tasks.db.tables import certificates, sightings

_MOST: Final = 10_000
"""Sightings that are joined at once: a certificate may be on very many hosts."""


def names_from(connection: Connection, described: Sequence[Certificate], shown: Sequence[Sighting]) -> list[Hostname]:
    """Return the names that follow for hosts from certificates; both tables have been written.

    described: certificates, those without their bytes may have been shown before; shown: sightings, those of
    certificates that are not in `described` may have been described before.
    """
    whole = {each.fingerprint for each in described}
    keys = {each.fingerprint for each in shown} - whole | {each.fingerprint for each in described if not each.der}
    if not keys:
        return []
    joined = select(sightings.c.address, sightings.c.first_seen, sightings.c.last_seen, certificates.c.names)
    joined = joined.join(certificates, certificates.c.fingerprint == sightings.c.fingerprint)
    rows = connection.execute(joined.where(one_of(connection, sightings.c.fingerprint, sorted(keys))).limit(_MOST))
    return [
        Hostname(address=row.address, name=checked, source="certificate", observed_at=at)
        for row in rows
        for name in msgspec.json.decode(row.names)
        if (checked := hostname(name))
        for at in {row.first_seen, row.last_seen}
    ]
