"""Ports that refuse our own probe: after three refusals in a row, half an hour apart, a port is closed.

An open report after a refusal starts the count again.
"""

import time
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import BigInteger, Connection, Text, and_, bindparam, func, select, update

from cobalt_tasks.core.changes import Change
from cobalt_tasks.core.durations import MINUTE
from cobalt_tasks.core.records import Outcome, State
from cobalt_tasks.db import bulk
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import jobs, ports
from cobalt_tasks.hosts import port_states
from cobalt_tasks.jobs import store

TIMES: Final = 3
APART_SECONDS: Final = 30 * MINUTE

_KIND: Final = "banner"
_CODE: Final = "refused"
_KEY: Final[bulk.Columns] = {"address": Text(), "protocol": Text(), "port": BigInteger()}
_AT_ONCE: Final = 500


def count(connection: Connection, outcomes: Sequence[Outcome]) -> list[Change]:
    """Count the refusals among `outcomes`; close the ports that refused often enough, and return the changes."""
    refused = sorted(
        {
            (each.job.address, each.job.protocol, each.job.port)
            for each in outcomes
            if each.job.kind == _KIND and each.code == _CODE
        }
    )
    if not refused:
        return []
    now = time.time()
    wanted = bulk.rows_of(connection, "wanted", _KEY)
    same = and_(*(ports.c[name] == wanted.c[name] for name in _KEY))
    chosen = select(ports).join(wanted, same).where(ports.c.closed_since.is_(None))
    chosen = chosen.order_by(*(ports.c[name] for name in _KEY)).with_for_update(of=ports)
    counted, closed = [], []
    for row in connection.execute(chosen, bulk.encode(refused)):
        if row.refused_at is None or row.last_seen > row.refused_at:
            number = 1
        elif now - row.refused_at >= APART_SECONDS:
            number = row.refusals + 1
        else:
            continue
        counted.append({**{f"of_{name}": getattr(row, name) for name in _KEY}, "number": number, "at": now})
        if number >= TIMES:
            closed.append((row.address, row.protocol, row.port))
    if counted:
        this = and_(*(ports.c[name] == bindparam(f"of_{name}") for name in _KEY))
        values: dict[str, Any] = {"refusals": bindparam("number"), "refused_at": bindparam("at")}
        connection.execute(update(ports).where(this).values(values), counted)
    return port_states.close(connection, closed, now)


def try_again(database: Database) -> int:
    """Make the probes pending again that were refused half an hour ago, fewer than three times; return how many."""
    return database.write(_try_again)


def _try_again(connection: Connection) -> int:
    before = time.time() - APART_SECONDS
    same = jobs.alias("same")
    newest = (
        select(func.max(same.c.id))
        .where(same.c.kind == _KIND, *(same.c[name] == ports.c[name] for name in _KEY))
        .correlate(ports)
        .scalar_subquery()
    )
    chosen = (
        select(jobs.c.id, *store.TARGET)
        .select_from(ports)
        .join(jobs, jobs.c.id == newest)
        .where(
            ports.c.refused_at < before,
            ports.c.last_seen <= ports.c.refused_at,
            ports.c.refusals < TIMES,
            ports.c.closed_since.is_(None),
            jobs.c.state == State.FAILED,
            jobs.c.outcome == _CODE,
            jobs.c.finished_at < before,
        )
        .order_by(ports.c.refused_at.desc())
        .limit(_AT_ONCE)
    )
    found = {number: tuple(target) for number, *target in connection.execute(chosen)}
    return store.retry(connection, found) if found else 0
