"""Evidence for scores, stored as ingest and workers do, and the scores."""

import time
from typing import Any

from sqlalchemy import insert, select

from cobalt_tasks.core.records import Facts, Location
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import hosts, jobs, observations, scores
from cobalt_tasks.hosts import facts
from tests.support.recount import recount

NOW = time.time()
PAST = NOW - 60


def see(database: Database, *lines: tuple[str, str, int], at: float = PAST) -> None:
    """Store connections, as ingest does."""
    with database.writing() as connection:
        connection.execute(
            insert(observations),
            [
                {
                    "source_id": 1,
                    "observed_at": at,
                    "arrived_at": at,
                    "src_ip": a,
                    "dst_ip": b,
                    "dst_port": p,
                    "protocol": "tcp",
                }
                for a, b, p in lines
            ],
        )
        known = set(connection.execute(select(hosts.c.address)).scalars())
        new = sorted({end for a, b, _ in lines for end in (a, b)} - known)
        if new:
            row = {"first_seen": at, "last_seen": at, "discovered": False}
            connection.execute(insert(hosts), [{**row, "address": address} for address in new])
        recount(connection)


def end_job(database: Database, address: str, kind: str = "geolocation", *found: Any) -> None:
    """Store facts and a finished job, as a worker does."""
    row = {"kind": kind, "address": address, "protocol": "", "port": 0, "level": 3, "state": "done", "forced": False}
    row |= {"isolated": False, "attempts": 0, "not_before": PAST, "created_at": PAST, "finished_at": PAST}
    with database.writing() as connection:
        connection.execute(insert(jobs), [row])
        recount(connection)
        if found:
            facts.write(connection, *found)


def scored(database: Database) -> dict[str, float]:
    """Return the scores that are not 0."""
    with database.reading() as connection:
        return {row.address: row.score for row in connection.execute(select(scores).where(scores.c.score > 0))}


def located(address: str, code: str | None = "DE", lat: float | None = 1.52, lon: float | None = 2.48) -> Facts:
    """Return a location."""
    place = Location(
        address=address, provider="mmdb", fetched_at=PAST, country_code=code, latitude=lat, longitude=lon, asn=64496
    )
    return Facts(locations=[place])
