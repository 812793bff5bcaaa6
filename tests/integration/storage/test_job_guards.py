"""The conditions in the statements of the state machine: each test fails when one of them is left out or turned round."""

import time

import pytest
from sqlalchemy import select, update

from cobalt_tasks.core.catalog import BY_NAME
from cobalt_tasks.core.durations import DAY
from cobalt_tasks.core.kinds import Urgency
from cobalt_tasks.core.records import NewJob, Outcome, Verdict
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import freshness
from cobalt_tasks.db.tables import jobs as table
from cobalt_tasks.jobs import creation
from cobalt_tasks.jobs import store as jobs

LEASE = 15.0
GRACE = 8.0


def wanted(port: int = 22, **options: object) -> NewJob:
    """A banner job for one port."""
    return NewJob(kind="banner", address="192.0.2.10", protocol="tcp", port=port, **options)


def change(database: Database, port: int, **values: object) -> None:
    """Change columns of the job of a port."""
    with database.writing() as connection:
        connection.execute(update(table).where(table.c.port == port).values(**values))


def column(database: Database, name: str) -> list[object]:
    """One column of every job, by port."""
    with database.reading() as connection:
        return list(connection.execute(select(table.c[name]).order_by(table.c.port)).scalars())


def run(database: Database, verdict: Verdict, **options: object) -> None:
    """Send, claim and end every due banner job."""
    sent = [job for level in (0, 1, 5) for job in database.write(jobs.mark_sent, "banner", level, 100)]
    claim = database.write(jobs.claim, "banner", [job.id for job in sent], LEASE)
    outcomes = [Outcome(job=job, verdict=verdict, code="any", **options) for job in claim.jobs]
    assert database.write(jobs.finish, claim.token, outcomes) == {job.id for job in sent}


def test_a_failure_takes_no_freshness_away(database: Database) -> None:
    """A fact stays as fresh as it was when a forced job for it fails, and the target is paused besides.

    Break: the coalesce() of freshness.remember.
    """
    database.write(creation.create, [wanted()])
    run(database, Verdict.DONE)
    with database.reading() as connection:
        before = connection.execute(select(freshness)).mappings().one()
    database.write(creation.create, [wanted(forced=True)])
    run(database, Verdict.FAILED)
    with database.reading() as connection:
        after = connection.execute(select(freshness)).mappings().one()
    assert before["fresh_until"] == pytest.approx(time.time() + DAY, abs=60)
    assert after["fresh_until"] == before["fresh_until"]
    assert (before["paused_until"], after["paused_until"] is not None) == (None, True)


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_requests_at_once_the_more_urgent_level_stays(database: Database, order: int) -> None:
    """Whatever their order in one call; and it is forced if one of them is. Break: min() in creation.create."""
    two = [wanted(forced=True), wanted(urgency=Urgency.INTERACTIVE)][::order]
    assert database.write(creation.create, two) == 1
    assert (column(database, "level"), column(database, "forced")) == ([0], [True])


def test_of_two_requests_after_each_other_the_more_urgent_level_stays(database: Database) -> None:
    """A forced refresh makes an ordinary job forced, and no less urgent. Break: `level` in the DO UPDATE of creation."""
    database.write(creation.create, [wanted()])
    assert database.write(creation.create, [wanted(urgency=Urgency.REFRESH, forced=True)]) == 1
    assert (column(database, "level"), column(database, "forced")) == ([1], [True])


def test_a_message_on_its_way_is_not_taken_for_lost(database: Database) -> None:
    """Sent a little before the oldest message that waits: it may be in a worker's hands. Break: the grace in store.resend."""
    database.write(creation.create, [wanted(port) for port in (22, 80)])
    database.write(jobs.mark_sent, "banner", 1, 100)
    oldest = time.time()
    change(database, 22, sent_at=oldest - GRACE - 1)
    change(database, 80, sent_at=oldest - GRACE + 1)
    assert database.write(jobs.resend, "banner", 1, oldest, GRACE) == 1
    assert column(database, "state") == ["pending", "sent"]


def test_nothing_is_claimed_before_it_is_due(database: Database) -> None:
    """A message may name a job whose pause is not over, and one that waits for a quota may have one too.

    Break: not_before in store.claim, or in store.claim_waiting.
    """
    database.write(creation.create, [wanted(port) for port in (22, 80)])
    ids = [job.id for job in database.write(jobs.mark_sent, "banner", 1, 100)]
    change(database, 22, not_before=time.time() + 600)
    assert [job.port for job in database.write(jobs.claim, "banner", ids, LEASE).jobs] == [80]
    database.write(creation.create, [wanted(port) for port in (443, 8080)])
    change(database, 443, waits_for="it", not_before=time.time() + 600)
    change(database, 8080, waits_for="it")
    claim = database.write(jobs.claim_waiting, "banner", "it", 10, LEASE)
    assert [job.port for job in claim.jobs] == [8080]


def test_nothing_is_sent_before_it_is_due(database: Database) -> None:
    """A job that is to be tried again later stays pending until then. Break: not_before in backlog.is_sendable."""
    database.write(creation.create, [wanted(port) for port in (22, 80)])
    change(database, 22, not_before=time.time() + 600)
    assert len(database.write(jobs.mark_sent, "banner", 1, 100)) == 1
    assert column(database, "state") == ["pending", "sent"]


def test_what_has_waited_longest_is_sent_first(database: Database) -> None:
    """Whatever its id. Break: order_by in store.mark_sent (none, or the newest first)."""
    database.write(creation.create, [wanted(port) for port in (1, 2, 3, 4)])
    for port, age in ((1, 10), (2, 40), (3, 30), (4, 20)):
        change(database, port, not_before=time.time() - age)
    assert len(database.write(jobs.mark_sent, "banner", 1, 2)) == 2
    assert column(database, "state") == ["pending", "sent", "sent", "pending"]


def test_what_waits_for_a_quota_is_claimed_by_urgency_then_age(database: Database) -> None:
    """A provider's call goes to the most urgent jobs that wait, of those to the oldest. Break: order_by in claim_waiting."""
    database.write(creation.create, [wanted(port) for port in (1, 2, 3, 4)])
    for port, level, age in ((1, 5, 90), (2, 1, 10), (3, 1, 40), (4, 0, 5)):
        change(database, port, waits_for="it", level=level, not_before=time.time() - age)
    claim = database.write(jobs.claim_waiting, "banner", "it", 2, LEASE)
    assert sorted(job.port for job in claim.jobs) == [3, 4]


@pytest.mark.parametrize("state", ["pending", "sent"])
def test_a_level_of_an_older_version_is_changed_for_its_kind_alone(database: Database, state: str) -> None:
    """Jobs of other kinds at that level stay as they are. Break: the kinds in store.relevel."""
    new = [wanted(), *(NewJob(kind=kind, address="192.0.2.10") for kind in ("domain", "geolocation"))]
    database.write(creation.create, new)
    with database.writing() as connection:
        connection.execute(update(table).values(level=99, state=state))
    assert database.write(jobs.relevel, BY_NAME["domain"], 99, 10) == 1
    with database.reading() as connection:
        left = connection.execute(select(table.c.kind).where(table.c.level == 99)).scalars()
        assert sorted(left) == ["banner", "geolocation"]


def test_only_what_waits_for_this_is_claimed(database: Database) -> None:
    """Others that wait for something else stay, whatever its name. Break: `<=` for waits_for in store.claim_waiting."""
    database.write(creation.create, [wanted(port) for port in (1, 2, 3, 4)])
    for port, name in ((1, "is"), (2, "it"), (3, "items")):
        change(database, port, waits_for=name)
    assert [job.port for job in database.write(jobs.claim_waiting, "banner", "it", 10, LEASE).jobs] == [2]


def test_a_claim_that_was_renewed_since_is_not_reaped(database: Database) -> None:
    """Between finding it stalled and reaping it, its worker renewed it. Break: the renewals in store.reap."""
    database.write(creation.create, [wanted()])
    sent = database.write(jobs.mark_sent, "banner", 1, 100)
    claim = database.write(jobs.claim, "banner", [job.id for job in sent], LEASE)
    change(database, 22, renewals=3)
    assert database.write(jobs.reap, claim.token, 2) == 0
    assert column(database, "state") == ["running"]
    assert database.write(jobs.reap, claim.token, 3) == 1


def test_a_claim_starts_without_renewals_and_waits_for_nothing(database: Database) -> None:
    """Also when the job ran before. Break: renewals, lease or waits_for in store._claim."""
    database.write(creation.create, [wanted()])
    change(database, 22, renewals=7, waits_for="it")
    database.write(jobs.claim_waiting, "banner", "it", 1, LEASE)
    found = [column(database, name) for name in ("renewals", "lease", "waits_for", "state")]
    assert found == [[0], [LEASE], [None], ["running"]]
