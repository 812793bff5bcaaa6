"""Many rows at once, of hosts, ports, connections and jobs."""

import time

from sqlalchemy import insert

from cobalt_tasks.db import tables
from cobalt_tasks.db.engine import Database
from tests.support.recount import recount

NOW = time.time()
PAST = NOW - 60


def address(number: int) -> str:
    """Return an address of its own for each number."""
    return f"16.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def connect(database: Database, count: int, peers: int = 100, at: float = PAST) -> None:
    """Store connections between a few hosts."""
    row = {"source_id": 1, "observed_at": at, "arrived_at": at, "dst_port": 443, "protocol": "tcp"}
    rows = [{**row, "src_ip": address(n % peers), "dst_ip": address(n * 7 % peers)} for n in range(count)]
    with database.writing() as connection:
        connection.execute(insert(tables.observations), rows)
        recount(connection)


def add_ports(database: Database, numbers: range) -> None:
    """Store hosts with a port."""
    seen = {"first_seen": PAST, "last_seen": PAST}
    with database.writing() as connection:
        connection.execute(insert(tables.hosts), [{**seen, "address": address(n), "discovered": True} for n in numbers])
        port = {**seen, "protocol": "tcp", "port": 443, "service": "https"}
        connection.execute(insert(tables.ports), [{**port, "address": address(n)} for n in numbers])
        recount(connection)


def add_places(database: Database, numbers: range) -> None:
    """Store the place and the score of hosts."""
    place = {"country_code": "NL", "provider": "mmdb", "fetched_at": 0.0}
    score = {"score": 0.5, "rule_version": "", "scored_at": 0.0}
    with database.writing() as connection:
        connection.execute(insert(tables.locations), [{**place, "address": address(n)} for n in numbers])
        connection.execute(insert(tables.scores), [{**score, "address": address(n)} for n in numbers])


def add_jobs(database: Database, numbers: range, state: str = "done") -> None:
    """Store ended jobs."""
    row = {
        "kind": "geolocation",
        "protocol": "",
        "port": 0,
        "level": 3,
        "state": state,
        "forced": False,
        "isolated": False,
    }
    row |= {"attempts": 0, "not_before": 0.0, "created_at": 0.0, "finished_at": 1.0}
    with database.writing() as connection:
        connection.execute(insert(tables.jobs), [{**row, "address": address(n)} for n in numbers])
        recount(connection)
