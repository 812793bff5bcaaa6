"""Jobs made by the thousand are the jobs that come of making them one by one."""

import time
from typing import Any

from sqlalchemy import insert, select, text, update

from cobalt_tasks.core.kinds import Urgency
from cobalt_tasks.core.records import NewJob
from cobalt_tasks.db import tables as models
from cobalt_tasks.db.engine import Database
from cobalt_tasks.jobs import creation

ASKED = [
    NewJob(kind=kind, address=f"192.0.2.{number}", protocol=protocol, port=port)
    for number in range(12)
    for kind, protocol, port in (("domain", "", 0), ("geolocation", "", 0), ("banner", "tcp", 22))
]


def prepare(database: Database) -> None:
    """Make facts fresh, targets paused, and jobs of every level and state."""
    with database.writing() as connection:
        for table in ("jobs", "freshness"):
            connection.execute(text(f"DELETE FROM {table}"))
        later, earlier = time.time() + 1000, time.time() - 1000
        for number, fresh, paused in ((0, later, None), (1, None, later), (2, earlier, earlier), (3, earlier, later)):
            target = {"kind": "domain", "address": f"192.0.2.{number}", "protocol": "", "port": 0}
            connection.execute(insert(models.freshness).values(**target, fresh_until=fresh, paused_until=paused))
        creation.create(
            connection,
            [
                *(NewJob(kind="domain", address=f"192.0.2.{number}", urgency=Urgency.REFRESH) for number in (4, 5, 6)),
                *(NewJob(kind="domain", address=f"192.0.2.{number}", urgency=Urgency.INTERACTIVE) for number in (7, 8)),
            ],
        )
        table = models.jobs
        for address, state in (("192.0.2.5", "sent"), ("192.0.2.6", "running"), ("192.0.2.8", "done")):
            connection.execute(update(table).where(table.c.address == address).values(state=state, not_before=later))


def outcome(database: Database) -> list[tuple[Any, ...]]:
    """Return the jobs, without what the clock decides."""
    table = models.jobs
    columns = ("kind", "address", "protocol", "port", "level", "state", "forced", "isolated", "attempts")
    now = time.time()
    with database.reading() as connection:
        rows = connection.execute(
            select(*(table.c[name] for name in columns), table.c.claim, table.c.not_before <= now + 1)
        )
        return sorted(map(tuple, rows))


def test_one_by_one_or_together_makes_the_same_jobs(database: Database) -> None:
    """Fresh, paused, active, more or less urgent: in one statement each job is decided on as by itself."""
    prepare(database)
    with database.writing() as connection:
        made = sum(creation.create(connection, [job]) for job in ASKED)
    expected = outcome(database)
    prepare(database)
    with database.writing() as connection:
        assert creation.create(connection, ASKED + ASKED[:3]) == made
    assert outcome(database) == expected
    assert len(expected) == 2 * 12 + 9 + 1


def test_a_batch_that_was_rolled_back_can_be_repeated(database: Database) -> None:
    """What a transaction staged is gone with it."""
    with database.engine.connect() as connection:
        for _ in range(2):
            creation.create(connection, ASKED)
            connection.rollback()
    with database.writing() as connection:
        creation.create(connection, ASKED)
    assert len(outcome(database)) == len(ASKED)
