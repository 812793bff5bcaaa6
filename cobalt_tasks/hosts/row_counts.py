"""Counts of everything, for a ledger small enough to count."""

from msgspec import Struct
from sqlalchemy import Connection, func, select

from cobalt_tasks.db.tables import certificates, hosts, jobs, observations, ports


class RowCounts(Struct, frozen=True, kw_only=True):
    """Rows by table, and jobs by kind."""

    connections: int
    hosts: int
    ports: int
    certificates: int
    jobs: dict[str, int]


def count(connection: Connection) -> RowCounts:
    """Count rows."""
    tables = {"connections": observations, "hosts": hosts, "ports": ports, "certificates": certificates}
    counted = {
        name: connection.execute(select(func.count()).select_from(table)).scalar_one() for name, table in tables.items()
    }
    by_kind = connection.execute(select(jobs.c.kind, func.count()).group_by(jobs.c.kind).order_by(jobs.c.kind))
    return RowCounts(**counted, jobs={row[0]: row[1] for row in by_kind})
