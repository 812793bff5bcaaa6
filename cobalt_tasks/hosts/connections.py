"""Connections and jobs as the views list them: the newest first, enriched with what is known by now."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, or_, select, tuple_

from cobalt_tasks.core.records import State
from cobalt_tasks.db import connection_ids
from cobalt_tasks.db.bulk import among, one_of
from cobalt_tasks.db.tables import jobs, locations, observations, scores, sources
from cobalt_tasks.hosts.queries import LOCATION, names_of

Row = dict[str, Any]

LOOKED_THROUGH = 100_000
"""The newest observations that are looked through for those of one host: addresses have no index there, it would slow
every line that is read.
"""

_OBSERVATION = ("id", "arrived_at", "observed_at", "src_ip", "src_port", "dst_ip", "dst_port", "protocol", "process")


def connections(
    connection: Connection, limit: int, *, since: float | None = None, before: int | None = None
) -> list[Row]:
    """Return observations, the newest first, each with the location, name and score of its far end (`dst_…`).

    `limit`: how many at most. `since` bounds arrived_at from below; `before` is the id of the last one of the page before. `geo_failed`: geolocation of the far end
    ended without a location.
    """
    chosen = _connections().limit(limit)
    if since is None:
        chosen = chosen.order_by(observations.c.id.desc())
        chosen = chosen if before is None else chosen.where(observations.c.id < before)
    else:
        chosen = chosen.order_by(observations.c.arrived_at.desc(), observations.c.id.desc())
        chosen = chosen.where(observations.c.arrived_at > since)
    if since is not None and before is not None:
        last = select(observations.c.arrived_at).where(observations.c.id == before)
        arrived = connection.execute(last).scalar()
        # That row may be gone with its source; what arrived before it is then unknown, and the page ends.
        mark = (-1.0 if arrived is None else arrived, before)
        chosen = chosen.where(tuple_(observations.c.arrived_at, observations.c.id) < tuple_(*mark))
    return _enriched(connection, [dict(row) for row in connection.execute(chosen).mappings()])


def by_ids(connection: Connection, ids: Sequence[int]) -> list[Row]:
    """Return the observations with these `ids`, the newest first, each with the location, name and score of its far end."""
    chosen = _connections().where(among(connection, observations.c.id, ids)).order_by(observations.c.id.desc())
    return _enriched(connection, [dict(row) for row in connection.execute(chosen).mappings()])


def connections_of(connection: Connection, address: str, limit: int) -> list[Row]:
    """Return the newest connections from or to an `address`, `limit` at most, of the last 100,000 of all."""
    newest = connection.execute(
        select(observations.c.id).order_by(observations.c.id.desc()).limit(1),
    ).scalar_one_or_none()
    chosen = (
        _connections()
        .where(
            observations.c.id > connection_ids.back(connection, newest, LOOKED_THROUGH),
            or_(observations.c.src_ip == address, observations.c.dst_ip == address),
        )
        .order_by(observations.c.id.desc())
        .limit(limit)
    )
    return _enriched(connection, [dict(row) for row in connection.execute(chosen).mappings()])


def _connections() -> Any:
    return (
        select(
            *(observations.c[name] for name in _OBSERVATION),
            sources.c.name.label("source"),
            *(locations.c[name].label(f"dst_{name}") for name in LOCATION),
            scores.c.score.label("dst_score"),
        )
        .outerjoin(sources, sources.c.id == observations.c.source_id)
        .outerjoin(locations, locations.c.address == observations.c.dst_ip)
        .outerjoin(scores, scores.c.address == observations.c.dst_ip)
    )


def _enriched(connection: Connection, rows: list[Row]) -> list[Row]:
    addresses = {row["dst_ip"] for row in rows}
    names = names_of(connection, sorted(addresses), limit=1)
    failed = _failed_look_ups(connection, {row["dst_ip"] for row in rows if row["dst_provider"] is None})
    for row in rows:
        row["dst_hostname"] = next(iter(names.get(row["dst_ip"], [])), None)
        row["geo_failed"] = row["dst_ip"] in failed
    return rows


def _failed_look_ups(connection: Connection, addresses: Collection[str]) -> set[str]:
    if not addresses:
        return set()
    ended = select(jobs.c.address).where(
        one_of(connection, jobs.c.address, sorted(addresses)),
        jobs.c.kind == "geolocation",
        jobs.c.state.in_([State.FAILED.value, State.DEAD.value]),
    )
    return set(connection.execute(ended).scalars())
