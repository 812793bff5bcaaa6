"""Certificates in use that expire soon: a change 30, 14, 7 and 1 days before, each once."""

import time
from typing import Any, Final

from sqlalchemy import Connection, and_, literal, select

from cobalt_tasks.core.changes import Change, ChangeKind
from cobalt_tasks.core.durations import DAY
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import certificates, milestones, ports, sightings
from cobalt_tasks.hosts import changes
from cobalt_tasks.hosts.milestones import reach

DAYS: Final = (30, 14, 7, 1)

_AT_ONCE: Final = 50
_LOOKED_AT: Final = 200
"""Ports where a certificate was seen that are looked at for one change."""

_SHOWN: Final = 20
"""Ports that one change lists."""


def note(database: Database) -> int:
    """Write the changes of certificates that have come to 30, 14, 7 or 1 days; return how many. For the upkeep round."""
    return sum(database.write(_note, days) for days in sorted(DAYS))


def _note(connection: Connection, days: int) -> int:
    """Write the changes of those with at most `days` left; shorter times come first, so that each gets one change."""
    now = time.time()
    kind = ChangeKind.CERTIFICATE_EXPIRING
    subject = certificates.c.fingerprint + literal(f" {days}")
    chosen = select(certificates.c.fingerprint, certificates.c.not_after, certificates.c.subject).where(
        certificates.c.not_after.between(now, now + days * DAY),
        ~select(milestones.c.subject).where(milestones.c.kind == kind, milestones.c.subject == subject).exists(),
    )
    rows = connection.execute(chosen.order_by(certificates.c.not_after).limit(_AT_ONCE)).all()
    found = []
    for row in rows:
        if not _first_time(connection, row.fingerprint, days, now):
            continue
        if shown := _places(connection, row.fingerprint):
            found.append(_change(row, days, shown, now))
    changes.write(connection, found)
    return len(rows)


def _first_time(connection: Connection, fingerprint: str, days: int, now: float) -> bool:
    """Note this time and the longer ones; return whether no other process noted this one before."""
    reached = [
        reach(connection, ChangeKind.CERTIFICATE_EXPIRING, f"{fingerprint} {each}", now)
        for each in DAYS
        if each >= days
    ]
    return reached[-1]


def _places(connection: Connection, fingerprint: str) -> list[Any]:
    """Return the open ports that show a certificate now: no other was seen there later."""
    other = sightings.alias()
    key = ("address", "protocol", "port")
    newer = select(literal(1)).where(
        *(other.c[name] == sightings.c[name] for name in key),
        other.c.fingerprint != sightings.c.fingerprint,
        other.c.last_seen > sightings.c.last_seen,
    )
    # The limit also has SQLite find the sightings first: it would walk through them in the order of ports.
    seen = select(*(sightings.c[name] for name in key)).where(sightings.c.fingerprint == fingerprint, ~newer.exists())
    here = seen.limit(_LOOKED_AT).subquery()
    is_open = and_(*(ports.c[name] == here.c[name] for name in key), ports.c.closed_since.is_(None))
    chosen = select(*(here.c[name] for name in key)).distinct().join(ports, is_open)
    return list(connection.execute(chosen.limit(_SHOWN)).all())


def _change(row: Any, days: int, shown: list[Any], now: float) -> Change:
    address, protocol, port = min(tuple(each) for each in shown)
    others = len(shown) - 1
    more = f" (and on {others} more port{'s' if others > 1 else ''})" if others else ""
    left = f"{days} day{'s' if days > 1 else ''}"
    return Change(
        kind=ChangeKind.CERTIFICATE_EXPIRING,
        address=address,
        protocol=protocol,
        port=port,
        observed_at=now,
        old=row.subject + more,
        new=f"expires within {left}, {time.strftime('%Y-%m-%d %H:%M', time.gmtime(row.not_after))}",
    )
