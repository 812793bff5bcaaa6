"""A claim ends with its lease, and a job that loses its worker again and again ends."""

import time

from sqlalchemy import select, update

from cobalt_tasks.core.clock import Moment
from cobalt_tasks.core.records import Banner, Facts, Verdict
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import banners
from cobalt_tasks.db.tables import jobs as table
from cobalt_tasks.db.tables import leases as watched
from cobalt_tasks.jobs import creation, leases
from cobalt_tasks.jobs import store as jobs
from cobalt_tasks.jobs.completion import complete
from tests.support.banner_jobs import ADDRESS, LEASE, banner_job, outcome, rows, send_and_claim, states
from tests.support.claims import reap


def test_a_worker_frozen_past_its_lease_writes_nothing(database: Database) -> None:
    """Neither outcome nor fact of a claim that was taken back is stored: invariant 3 of docs/architecture.md.

    Break: the claim in jobs.finish, or `ours` in completion.complete.
    """
    database.write(creation.create, [banner_job()])
    claim = send_and_claim(database)
    fact = Banner(address=ADDRESS, protocol="tcp", port=22, source="probe", observed_at=1.0, text="x", raw=b"x")
    late = [outcome(claim.jobs[0], Verdict.DONE, facts=Facts(banners=[fact]))]
    assert reap(database, after=LEASE) == 1
    database.write(complete, claim.token, late)
    assert states(database) == ["pending"]
    again = send_and_claim(database)
    database.write(complete, claim.token, late)
    assert states(database) == ["running"]
    with database.reading() as connection:
        assert connection.execute(select(banners)).all() == []
    database.write(complete, again.token, [outcome(again.jobs[0], Verdict.DONE, facts=Facts(banners=[fact]))])
    assert states(database) == ["done"]


def test_a_renewed_lease_holds(database: Database) -> None:
    """Only the holder's token renews, and nothing is taken back while it does. Break: `renewals` in leases.renew."""
    database.write(creation.create, [banner_job()])
    claim = send_and_claim(database)
    assert database.write(leases.renew, ["another worker's"], LEASE) == 0
    for seconds in range(0, 100, 10):
        assert database.write(leases.reap, Moment("reaper", float(seconds))) == 0
        assert database.write(leases.renew, [claim.token], LEASE) == 1
    assert states(database) == ["running"]


def test_a_claim_that_stands_still_for_its_lease_is_taken_back(database: Database) -> None:
    """Counted by the reaper's own clock, in as many looks as it likes; a reaper that never saw the claim begins anew.

    Break: `since` in leases.reap, or the clock's name in leases._watch.
    """
    database.write(creation.create, [banner_job()])
    send_and_claim(database)
    assert [database.write(leases.reap, Moment("one", at)) for at in (1000.0, 1007.0, 1014.9)] == [0, 0, 0]
    assert database.write(leases.reap, Moment("other", 99999.0)) == 0
    assert database.write(leases.reap, Moment("one", 1015.1)) == 1
    database.write(leases.reap, Moment("one", 1016.0))
    with database.reading() as connection:
        assert connection.execute(select(watched)).all() == []


def test_a_released_job_is_pending_and_unharmed(database: Database) -> None:
    """Handing back is no attempt and isolates no job."""
    database.write(creation.create, [banner_job()])
    claim = send_and_claim(database)
    assert database.write(jobs.release, claim.token) == 1
    (row,) = rows(database)
    assert (row["state"], row["attempts"], row["isolated"]) == ("pending", 0, False)


def test_only_lone_runs_count_and_the_last_is_death(database: Database) -> None:
    """A lost batch makes no job dead; a job lost three times while isolated is dead. Break: `isolated` in leases.reap."""
    database.write(creation.create, [banner_job()])
    seen = []
    for _ in range(4):
        send_and_claim(database)
        reap(database, after=LEASE)
        (row,) = rows(database)
        seen.append((row["state"], row["attempts"], row["isolated"]))
    assert seen == [("pending", 0, True), ("pending", 1, True), ("pending", 2, True), ("dead", 3, True)]


def test_a_fault_of_ours_isolates_the_job(database: Database) -> None:
    """Our own failure is dead after three lone runs, with pauses that grow between them, and says why.

    Break: FAULT in transitions._pause, or in transitions._next.
    """
    database.write(creation.create, [banner_job()])
    pauses = []
    for _ in range(4):
        claim = send_and_claim(database)
        database.write(jobs.finish, claim.token, [outcome(claim.jobs[0], Verdict.FAULT, detail="why")])
        (row,) = rows(database)
        pauses.append(row["not_before"] - time.time())
        with database.writing() as connection:
            connection.execute(update(table).values(not_before=0.0))
    assert (row["state"], row["detail"]) == ("dead", "why")
    assert pauses[0] <= 0
    assert 4 < pauses[1] < 7
    assert 19 < pauses[2] < 26
