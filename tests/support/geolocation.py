"""A ledger and the geolocator of one process, driven step by step."""

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

from sqlalchemy import func, select, update

from cobalt_tasks.core.records import NewJob
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import breakers, jobs, locations, quotas
from cobalt_tasks.geolocation.geolocator import Geolocator
from cobalt_tasks.jobs import creation
from cobalt_tasks.jobs import store as queue
from cobalt_tasks.jobs.completion import complete

LEASE = 15.0
KIND = "geolocation"


class Ledger:
    """What a worker and the sweep do with a geolocator, one step at a time."""

    def __init__(self, database: Database, settings: Settings) -> None:
        """Make the geolocator of one process."""
        self.database = database
        self.geolocator = Geolocator(settings)

    def add(self, *addresses: str) -> None:
        """Make jobs."""
        self.database.write(lambda c: creation.create(c, [NewJob(kind=KIND, address=each) for each in addresses]))

    def local(self) -> None:
        """Do what a worker does with a message."""
        with self.database.reading() as connection:
            ids = list(connection.execute(select(jobs.c.id).where(jobs.c.state == "pending")).scalars())
        claim = self.database.write(lambda c: queue.claim(c, "geolocation", ids, LEASE))
        outcomes = self.geolocator.local(claim.jobs)
        self.database.write(lambda c: complete(c, claim.token, outcomes))

    def remote(self) -> int:
        """Do what a worker does when the sweep wakes it; return how many jobs that were."""
        call = self.geolocator.reserve(self.database, LEASE)
        if call is None:
            return 0
        outcomes = call.ask(call.claim.jobs)
        assert len(outcomes) == len(call.claim.jobs)
        self.database.write(lambda c: complete(c, call.claim.token, outcomes))
        return len(outcomes)

    def pass_time(self, seconds: float) -> None:
        """Let everything that waits have waited longer."""
        with self.database.writing() as connection:
            connection.execute(update(jobs).values(not_before=jobs.c.not_before - seconds))
            connection.execute(update(quotas).values(resets_at=quotas.c.resets_at - seconds))
            connection.execute(update(breakers).values(open_until=breakers.c.open_until - seconds))

    def states(self) -> dict[str, int]:
        """Count jobs by state and outcome."""
        with self.database.reading() as connection:
            rows = connection.execute(
                select(jobs.c.state, jobs.c.outcome, func.count()).group_by(jobs.c.state, jobs.c.outcome)
            )
            return {f"{state}: {outcome}": count for state, outcome, count in rows}

    def job(self, address: str) -> Any:
        """Return a job's row."""
        with self.database.reading() as connection:
            return connection.execute(select(jobs).where(jobs.c.address == address)).one()

    def location(self, address: str) -> Any:
        """Return a location's row."""
        with self.database.reading() as connection:
            return connection.execute(select(locations).where(locations.c.address == address)).one_or_none()


def public(count: int) -> list[str]:
    """Return so many addresses that may be asked about."""
    return [f"11.{index // 65536}.{index // 256 % 256}.{index % 256}" for index in range(count)]


def say(status: int, body: bytes, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    """Return a lie to tell."""

    def misbehave(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)
        handler.close_connection = True

    return misbehave
