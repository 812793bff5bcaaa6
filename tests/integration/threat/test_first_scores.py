"""When a score that crosses a step is a change: once the first facts of the host are in."""

from typing import Any

import pytest
from sqlalchemy import select, update

from cobalt_tasks.core.durations import DAY
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import changes, hosts, jobs, observations, scores
from cobalt_tasks.threat import rules as threat
from cobalt_tasks.threat import scoring
from tests.support.evidence import NOW, PAST, end_job, located, scored, see

HOST = "9.9.9.9"
NEW = 2_000_000_000.0
"""An arrival that scoring does not read yet."""


def changed(database: Database) -> list[tuple[str, str]]:
    """Return (old, new) of the changes of scores."""
    with database.reading() as connection:
        chosen = select(changes.c.old, changes.c.new).where(changes.c.kind == "score changed").order_by(changes.c.id)
        return [(row.old, row.new) for row in connection.execute(chosen)]


@pytest.fixture
def host(database: Database, rules: threat.Rules) -> Database:
    """A ledger with a host of a scan, scored first by an ended job while its connections have arrived and are unread."""
    see(database, ("192.0.2.2", HOST, 22), at=NEW)
    database.write(lambda c: c.execute(update(hosts).values(discovered=True)))
    end_job(database, HOST, "domain")
    scoring.keep_up(database, rules)
    assert scored(database) == {}
    return database


def arrive(database: Database) -> None:
    """Let scoring read all connections."""
    database.write(lambda c: c.execute(update(observations).values(arrived_at=PAST)))


def _later_job(database: Database, kind: str, *found: Any) -> None:
    """End a job that was made a while after the first score."""
    end_job(database, HOST, kind, *found)
    later = {"created_at": NOW - 20, "finished_at": NOW - 10}
    database.write(lambda c: c.execute(update(jobs).where(jobs.c.kind == kind).values(later)))
    database.write(lambda c: c.execute(update(scores).values(first_scored_at=NOW - 60)))


def test_connections_of_the_first_load_are_first_facts(host: Database, rules: threat.Rules) -> None:
    """What is read a moment after the first score is no change; what is found once all was read is one."""
    arrive(host)
    scoring.keep_up(host, rules)
    assert (scored(host), changed(host)) == ({HOST: 0.3}, [])
    _later_job(host, "geolocation")
    scoring.keep_up(host, rules)
    assert changed(host) == [("0.30", "0.50")]


def test_jobs_of_the_first_facts_are_first_facts(host: Database, rules: threat.Rules) -> None:
    """What the host's first jobs find is no change, nor what a job finds that one of those made; a later one's is."""
    end_job(host, HOST)
    running = {"created_at": NOW - 90, "finished_at": None, "state": "running"}
    host.write(lambda c: c.execute(update(jobs).where(jobs.c.kind == "geolocation").values(running)))
    arrive(host)
    scoring.keep_up(host, rules)
    host.write(lambda c: c.execute(update(jobs).values(state="done", finished_at=NOW - 30)))
    scoring.keep_up(host, rules)
    assert (scored(host), changed(host)) == ({HOST: 0.5}, []), "an unknown country is a first fact"
    _later_job(host, "banner", located(HOST))
    scoring.keep_up(host, rules)
    assert changed(host) == [("0.50", "0.30")]


@pytest.mark.parametrize("first", [NOW - DAY - 60, None], ids=["long ago", "unknown"])
def test_first_facts_end_after_a_day(host: Database, rules: threat.Rules, first: float | None) -> None:
    """A ledger that is never read to its end has changes too, and so has a host that an earlier version scored."""
    host.write(lambda c: c.execute(update(scores).values(first_scored_at=first)))
    arrive(host)
    scoring.keep_up(host, rules)
    assert changed(host) == [("0.00", "0.30")]
