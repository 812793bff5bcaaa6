"""The state machine of jobs, on every database."""

import time

import pytest
from sqlalchemy import insert, select, update

from cobalt_tasks.core.durations import DAY, HOUR
from cobalt_tasks.core.kinds import Urgency
from cobalt_tasks.core.records import NewJob, State, Verdict
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import freshness, hosts
from cobalt_tasks.db.tables import jobs as table
from cobalt_tasks.jobs import creation
from cobalt_tasks.jobs import store as jobs
from tests.support.banner_jobs import ADDRESS, LEASE, banner_job, outcome, rows, send_and_claim, states
from tests.support.claims import reap


def test_one_active_job_for_each_target(database: Database) -> None:
    """The same job twice, in one call or in two, is one row. Break: the index uq_jobs_active."""
    assert database.write(creation.create, [banner_job(), banner_job()]) == 1
    assert database.write(creation.create, [banner_job()]) == 0
    assert states(database) == ["pending"]


def test_a_more_urgent_request_moves_an_active_job_ahead_and_sends_it_again(database: Database) -> None:
    """A conflict keeps the smaller level and the force flag. Break: the DO UPDATE in creation.create."""
    database.write(creation.create, [banner_job()])
    database.write(jobs.mark_sent, "banner", 1, 10)
    assert database.write(creation.create, [banner_job(urgency=Urgency.INTERACTIVE, forced=True)]) == 1
    (row,) = rows(database)
    assert (row["state"], row["level"], row["forced"]) == ("pending", 0, True)
    assert database.write(creation.create, [banner_job(urgency=Urgency.REFRESH)]) == 0
    assert rows(database)[0]["level"] == 0


def test_a_running_job_is_not_sent_again(database: Database) -> None:
    """A request for what is being done lets it go on, and sending never overwrites running. Break: the state in the DO
    UPDATE of creation.create.
    """
    database.write(creation.create, [banner_job()])
    claim = send_and_claim(database)
    database.write(creation.create, [banner_job(urgency=Urgency.INTERACTIVE)])
    database.write(jobs.unmark_sent, [claim.jobs[0].id])
    assert states(database) == ["running"]
    assert database.write(jobs.mark_sent, "banner", 0, 10) == []


@pytest.mark.parametrize("lost", [True, False])
def test_a_running_job_that_comes_back_is_as_urgent_as_was_asked_meanwhile(database: Database, lost: bool) -> None:
    """Its worker dies, or it has to be tried again: whoever asked meanwhile does not wait behind everything else.

    Break: let the DO UPDATE of creation.create leave running jobs alone.
    """
    database.write(creation.create, [banner_job()])
    claim = send_and_claim(database)
    database.write(creation.create, [banner_job(urgency=Urgency.INTERACTIVE, forced=True)])
    if lost:
        reap(database, after=LEASE)
    else:
        database.write(jobs.finish, claim.token, [outcome(claim.jobs[0], Verdict.RETRY)])
    (row,) = rows(database)
    assert (row["state"], row["level"], row["forced"]) == ("pending", 0, True)
    assert [sent.id for sent in database.write(jobs.mark_sent, "banner", 0, 10)] == [row["id"]]


def test_a_job_that_waits_for_its_next_try_starts_when_somebody_asks(database: Database) -> None:
    """A conflict keeps the earlier start: at once for a request, while the same from input changes nothing.

    Break: not_before in the DO UPDATE of creation.create.
    """
    database.write(creation.create, [banner_job()])
    claim = send_and_claim(database)
    database.write(jobs.finish, claim.token, [outcome(claim.jobs[0], Verdict.RETRY, after=600.0)])
    assert database.write(creation.create, [banner_job()]) == 0
    assert database.write(jobs.mark_sent, "banner", 1, 10) == []
    assert database.write(creation.create, [banner_job(urgency=Urgency.INTERACTIVE)]) == 1
    assert len(database.write(jobs.mark_sent, "banner", 0, 10)) == 1


def test_a_new_job_is_due_at_once(database: Database) -> None:
    """Each is sent by the very next statement, not by the sweep seconds later.

    Break: take another clock in creation.py than mark_sent does.
    """
    for number in range(100):
        job = banner_job(number + 1)
        assert database.write(
            lambda c, job=job: (creation.create(c, [job]), len(jobs.mark_sent(c, "banner", 1, 10)))
        ) == (1, 1)


def test_a_message_delivered_twice_does_nothing_the_second_time(database: Database) -> None:
    """Only the first claim gets the jobs: invariant 3 of docs/architecture.md. Break: the state condition in jobs.claim."""
    database.write(creation.create, [banner_job(port) for port in (22, 80)])
    first = send_and_claim(database)
    ids = [job.id for job in first.jobs]
    assert len(ids) == 2
    assert database.write(jobs.claim, "banner", ids, LEASE).jobs == []
    database.write(jobs.finish, first.token, [outcome(job, Verdict.DONE) for job in first.jobs])
    assert database.write(jobs.claim, "banner", ids, LEASE).jobs == []


def test_a_fresh_fact_makes_no_job_unless_forced(database: Database) -> None:
    """Done makes fresh for the catalog's time. Break: the freshness condition in creation.create."""
    database.write(creation.create, [banner_job()])
    claim = send_and_claim(database)
    database.write(jobs.finish, claim.token, [outcome(claim.jobs[0], Verdict.DONE)])
    with database.reading() as connection:
        row = connection.execute(select(freshness)).mappings().one()
    assert row["fresh_until"] == pytest.approx(time.time() + DAY, abs=5)
    assert database.write(creation.create, [banner_job()]) == 0
    assert database.write(creation.create, [banner_job(forced=True)]) == 1


def test_a_failure_pauses_and_never_makes_fresh(database: Database) -> None:
    """A failed answer keeps new jobs away for the pause only. Break: the two columns of freshness mixed up."""
    database.write(creation.create, [banner_job()])
    claim = send_and_claim(database)
    database.write(jobs.finish, claim.token, [outcome(claim.jobs[0], Verdict.FAILED)])
    with database.reading() as connection:
        row = connection.execute(select(freshness)).mappings().one()
    assert row["fresh_until"] is None
    assert row["paused_until"] == pytest.approx(time.time() + HOUR, abs=5)
    assert database.write(creation.create, [banner_job()]) == 0


def test_a_job_whose_fact_became_fresh_meanwhile_ends_without_work(database: Database) -> None:
    """Freshness is checked again when a job is claimed. Break: the condition in jobs.claim."""
    database.write(creation.create, [banner_job()])
    with database.writing() as connection:
        connection.execute(
            freshness.insert().values(
                kind="banner",
                address=ADDRESS,
                protocol="tcp",
                port=22,
                fresh_until=time.time() + 60,
            ),
        )
    assert send_and_claim(database).jobs == []
    (row,) = rows(database)
    assert (row["state"], row["outcome"]) == ("done", "fresh")


def test_a_retry_waits_and_ends_as_failed(database: Database) -> None:
    """A retry is not due before its pause, and the third is a failure."""
    database.write(creation.create, [banner_job()])
    claim = send_and_claim(database)
    database.write(jobs.finish, claim.token, [outcome(claim.jobs[0], Verdict.RETRY, after=60.0)])
    assert send_and_claim(database).jobs == []
    for _ in range(2):
        with database.writing() as connection:
            connection.execute(update(table).values(not_before=0.0))
        claim = send_and_claim(database)
        database.write(jobs.finish, claim.token, [outcome(claim.jobs[0], Verdict.RETRY, after=60.0)])
    assert states(database) == ["failed"]


def test_retries_that_failed_together_are_spread(database: Database) -> None:
    """The pause is kept and up to a quarter longer, for each job another. Break: transitions._pause."""
    database.write(creation.create, [banner_job(port) for port in range(1, 21)])
    claim = send_and_claim(database)
    before = time.time()
    database.write(jobs.finish, claim.token, [outcome(job, Verdict.RETRY, after=100.0) for job in claim.jobs])
    pauses = {row["not_before"] - before for row in rows(database)}
    assert len(pauses) == 20
    assert 99 < min(pauses) < max(pauses) < 130


def test_waiting_for_something_shared_is_no_attempt(database: Database) -> None:
    """A waiting job is not sent, only claimed by whoever reserved what it waits for."""
    database.write(creation.create, [NewJob(kind="geolocation", address="8.8.8.8")])
    (sent,) = database.write(jobs.mark_sent, "geolocation", 3, 10)
    claim = database.write(jobs.claim, "geolocation", [sent.id], LEASE)
    waits = [outcome(claim.jobs[0], Verdict.WAIT, waits_for="quota")]
    database.write(jobs.finish, claim.token, waits)
    (row,) = rows(database)
    assert (row["state"], row["waits_for"], row["attempts"]) == ("pending", "quota", 0)
    assert database.write(jobs.mark_sent, "geolocation", 3, 10) == []
    assert database.write(jobs.claim, "geolocation", [sent.id], LEASE).jobs == []
    assert len(database.write(jobs.claim_waiting, "geolocation", "quota", 10, LEASE).jobs) == 1


def test_lost_messages_are_told_from_waiting_ones(database: Database) -> None:
    """Only what was sent before the oldest waiting message is sent again."""
    database.write(creation.create, [banner_job(port) for port in (22, 80)])
    first = database.write(jobs.mark_sent, "banner", 1, 1)
    time.sleep(0.02)
    second = database.write(jobs.mark_sent, "banner", 1, 1)
    assert database.write(jobs.resend, "banner", 1, first[0].sent_at, 0.0) == 0
    assert database.write(jobs.resend, "banner", 1, second[0].sent_at, 0.0) == 1
    assert sorted(states(database)) == ["pending", "sent"]
    time.sleep(0.02)
    assert database.write(jobs.resend, "banner", 1, None, 0.0) == 1
    assert states(database) == ["pending", "pending"]


def test_what_was_sent_by_a_clock_that_was_set_back_is_older_than_all(database: Database) -> None:
    """A message that was sent by a clock an hour ahead is lost when none waits, or only newer ones: by the order of sending.

    Break: the jobs that are ahead in jobs.resend.
    """
    database.write(creation.create, [banner_job(port) for port in (22, 80)])
    before = time.time() + HOUR
    (old,) = database.write(jobs.mark_sent, "banner", 1, 1)
    with database.writing() as connection:
        connection.execute(update(table).where(table.c.id == old.id).values(sent_at=before))
    (new,) = database.write(jobs.mark_sent, "banner", 1, 1)
    # Its own message waits, or one before it: both are behind that.
    for oldest in (before, before - 10):
        assert database.write(jobs.resend, "banner", 1, oldest, 10.0) == 0
    assert database.write(jobs.resend, "banner", 1, before + 20, 10.0) == 1
    for oldest in (new.sent_at, None):
        with database.writing() as connection:
            connection.execute(update(table).where(table.c.id == old.id).values(state="sent", sent_at=before))
        assert database.write(jobs.resend, "banner", 1, oldest, 10.0) == 1
    assert sorted(states(database)) == ["pending", "sent"]


def test_stale_facts_are_refreshed_at_the_lowest_urgency_once(database: Database) -> None:
    """What is over its time gets one refresh job; what is paused or active gets none."""
    with database.writing() as connection:
        for number, (fresh, paused) in enumerate([(1.0, None), (1.0, time.time() + 60), (time.time() + 60, None)]):
            connection.execute(
                freshness.insert().values(
                    kind="geolocation",
                    address=f"8.8.8.{number}",
                    protocol="",
                    port=0,
                    fresh_until=fresh,
                    paused_until=paused,
                ),
            )
    assert database.write(creation.refresh, "geolocation", 10) == 1
    assert database.write(creation.refresh, "geolocation", 10) == 0
    (row,) = rows(database)
    assert (row["address"], row["level"], row["state"]) == ("8.8.8.0", 7, State.PENDING)


def test_a_message_of_another_kind_claims_nothing(database: Database) -> None:
    """A forged message that names look-ups in the queue of probes must not make probes of them: invariant 6.

    Break: the condition on the kind in jobs.claim.
    """
    database.write(creation.create, [NewJob(kind="geolocation", address=ADDRESS), banner_job()])
    ids = [row["id"] for row in rows(database)]
    assert [job.kind for job in database.write(jobs.claim, "banner", ids, LEASE).jobs] == ["banner"]
    assert sorted(states(database)) == ["pending", "running"]


def test_a_claim_knows_from_the_ledger_whether_a_scan_reported_the_host(database: Database) -> None:
    """Not from the message, and not from the fact that there is a job: the scope may have changed since."""
    now = time.time()
    with database.writing() as connection:
        known = {"first_seen": now, "last_seen": now}
        connection.execute(
            insert(hosts),
            [
                {"address": ADDRESS, "discovered": True, **known},
                {"address": "192.0.2.11", "discovered": False, **known},
            ],
        )
    addresses = [ADDRESS, "192.0.2.11", "192.0.2.12"]
    new = [NewJob(kind="banner", address=each, protocol="tcp", port=22) for each in addresses]
    database.write(creation.create, new)
    claim = send_and_claim(database)
    assert {job.address: job.discovered for job in claim.jobs} == dict(
        zip(addresses, [True, False, False], strict=True)
    )
