"""A statement about one job, kind, level, claim or port changes that alone: not what sorts before it, nor what sorts behind."""

import time
from itertools import product

import pytest
from sqlalchemy import insert, select, update

from cobalt_tasks.core.catalog import BY_NAME, KINDS
from cobalt_tasks.core.kinds import Urgency
from cobalt_tasks.core.records import NewJob, Outcome, State, Verdict
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import jobs, ports
from cobalt_tasks.jobs import (
    backlog,
    claims,
    creation,
    dispatcher,
    host_limits,
    lists,
    refusals,
    store,
)
from cobalt_tasks.jobs.claims import ClaimTerms
from cobalt_tasks.jobs.host_limits import Limits
from tests.support.banner_jobs import banner_job, send_and_claim
from tests.support.banner_jobs import rows as banner_rows

LEASE = 15.0
LEVELS = range(10)


def one_of_each(database: Database, *levels: int) -> dict[tuple[str, int], int]:
    """Make a job of each kind at each of these levels; return their ids."""
    found = {}
    for number, (kind, level) in enumerate(product([each.name for each in KINDS], levels), 1):
        is_port = BY_NAME[kind].is_active
        job = NewJob(
            kind=kind, address=f"192.0.2.{number}", protocol="tcp" if is_port else "", port=22 if is_port else 0
        )
        database.write(creation.create, [job])
        with database.writing() as connection:
            newest = connection.execute(select(jobs.c.id).order_by(jobs.c.id.desc()).limit(1)).scalar_one()
            connection.execute(update(jobs).where(jobs.c.id == newest).values(level=level))
        found[kind, level] = newest
    return found


def in_state(database: Database, state: str) -> set[int]:
    """The ids of the jobs in a state."""
    with database.reading() as connection:
        return set(connection.execute(select(jobs.c.id).where(jobs.c.state == state)).scalars())


def test_a_kind_and_level_is_sent_alone(sqlite_database: Database) -> None:
    """Of jobs of every kind at several levels, those of one kind and level are due, marked and sent again, and no others."""
    made = one_of_each(sqlite_database, 0, 1, 5)
    for number, ((kind, level), job) in enumerate(made.items(), 1):
        with sqlite_database.reading() as connection:
            assert level in backlog.due_levels(connection, kind, [0, 1, 5])
        assert [each.id for each in sqlite_database.write(store.mark_sent, kind, level, 100)] == [job]
        assert len(in_state(sqlite_database, "sent")) == number
        with sqlite_database.reading() as connection:
            assert level not in backlog.due_levels(connection, kind, [0, 1, 5])
    with sqlite_database.writing() as connection:
        connection.execute(update(jobs).values(sent_at=time.time() - 100))
    for number, (kind, level) in enumerate(made, 1):
        assert sqlite_database.write(store.resend, kind, level, None, 8.0) == 1
        assert len(in_state(sqlite_database, "pending")) == number


def test_a_message_claims_jobs_of_its_kind_alone(sqlite_database: Database) -> None:
    """Whatever ids it names: a message of one kind gets no job of another, by either way to claim."""
    made = one_of_each(sqlite_database, 1)
    ids = list(made.values())
    for (kind, _), job in made.items():
        terms = ClaimTerms(kind=kind, lease=LEASE, limits=Limits())
        claim = sqlite_database.write(claims.claim_named, terms, ids, 10)
        assert [each.id for each in claim.jobs] == [job]
        assert in_state(sqlite_database, "running") == {job}
        assert sqlite_database.write(store.release, claim.token) == 1
        assert [each.id for each in sqlite_database.write(store.claim, kind, ids, LEASE).jobs] == [job]
        with sqlite_database.writing() as connection:
            connection.execute(update(jobs).values(state="pending", claim=None))


def test_a_token_holds_its_own_jobs(sqlite_database: Database) -> None:
    """Of three claims one is released, renewed, reaped or finished: the others stay as they are."""
    sqlite_database.write(creation.create, [banner_job(port) for port in (21, 22, 23)])
    sent = [job.id for job in sqlite_database.write(store.mark_sent, "banner", 1, 10)]

    def claim_all() -> list[store.Claim]:
        with sqlite_database.writing() as connection:
            values = {"state": "sent", "claim": None, "renewals": 7, "isolated": False, "outcome": None}
            connection.execute(update(jobs).values(**values))
        return [
            sqlite_database.write(store.claim, "banner", [job], LEASE, token)
            for job, token in zip(sent, "abc", strict=True)
        ]

    claim_all()
    assert [row["renewals"] for row in banner_rows(sqlite_database)] == [0, 0, 0]
    assert sqlite_database.write(store.release, "b") == 1
    assert in_state(sqlite_database, "running") == {sent[0], sent[2]}
    claim_all()
    assert sqlite_database.write(store.reap, "b", 0) == 1
    assert [row["isolated"] for row in banner_rows(sqlite_database)] == [False, True, False]
    assert in_state(sqlite_database, "running") == {sent[0], sent[2]}
    held = claim_all()[1].jobs[0]
    outcome = Outcome(job=held, verdict=Verdict.DONE, code="done", detail="x" * 600)
    assert sqlite_database.write(store.finish, "a", [outcome]) == set()
    assert sqlite_database.write(store.finish, "b", [outcome]) == {sent[1]}
    assert in_state(sqlite_database, "done") == {sent[1]}
    assert len(str(banner_rows(sqlite_database)[1]["detail"])) == 500


@pytest.mark.parametrize("state", ["pending", "sent"])
def test_every_level_that_no_job_gets_is_found(sqlite_database: Database, state: str) -> None:
    """For each kind, each of the ten levels is either one of its own, or unknown; and so is one far beyond them."""
    made = one_of_each(sqlite_database, 1)
    for kind in KINDS:
        for level in (*LEVELS, 2**31 - 1):
            with sqlite_database.writing() as connection:
                values = {"state": state, "level": level}
                connection.execute(update(jobs).where(jobs.c.id == made[kind.name, 1]).values(**values))
                assert backlog.unknown_levels(connection, kind) == ([] if level in kind.levels else [level])


def test_what_waits_for_its_host_is_no_wait_for_quota(sqlite_database: Database) -> None:
    """Jobs that are parked for their host or network are not shown as waiting; those before and behind them by name are."""
    made = one_of_each(sqlite_database, 1)

    def waits(*names: str) -> list[str]:
        with sqlite_database.writing() as connection:
            connection.execute(update(jobs).values(waits_for=None))
            for job, name in zip(made.values(), names, strict=False):
                connection.execute(update(jobs).where(jobs.c.id == job).values(waits_for=name))
            found = backlog.find(connection, 30.0)
        return [kind for kind, each in found.items() if each.waits_seconds is not None]

    kinds = [kind.name for kind in KINDS]
    parked = (*host_limits.keys("192.0.2.1"), *host_limits.keys("2001:db8::1"))
    assert waits(*parked) == []
    assert waits("geolocation", *parked[:3]) == kinds[:1]
    assert waits(parked[0], "quota", *parked[2:]) == kinds[1:2]


def test_a_host_with_room_gets_as_many_jobs_back(sqlite_database: Database) -> None:
    """With one job running of at most four, three of six parked ones are due again, the most urgent first."""
    sqlite_database.write(creation.create, [banner_job(port) for port in range(1, 8)])
    host, _ = host_limits.keys("192.0.2.10")
    with sqlite_database.writing() as connection:
        connection.execute(update(jobs).where(jobs.c.port == 1).values(state="running", claim="a"))
        connection.execute(update(jobs).where(jobs.c.port > 1).values(waits_for=host))
        assert host_limits.unpark_forgotten(connection, Limits(per_host=4, per_network=100)) == 3
        waiting = select(jobs.c.id).where(jobs.c.waits_for.is_not(None))
        assert len(connection.execute(waiting).all()) == 3


def test_a_refused_probe_is_tried_again_by_its_own_key(sqlite_database: Database) -> None:
    """Newer jobs of neighbours, in address, protocol and port, do not stand for the last probe of a port."""
    targets = list(product(("192.0.2.1", "192.0.2.2", "192.0.2.3"), ("sctp", "tcp", "udp"), (21, 22, 23)))
    ours = ("192.0.2.2", "tcp", 22)
    targets.sort(key=lambda target: target != ours)
    jobs_of = [
        NewJob(kind="banner", address=address, protocol=protocol, port=port) for address, protocol, port in targets
    ]
    for each in jobs_of:
        sqlite_database.write(creation.create, [each])
    past = time.time() - 10_000
    with sqlite_database.writing() as connection:
        connection.execute(update(jobs).values(state=State.FAILED, outcome="refused", finished_at=past))
        is_ours = (jobs.c.address == ours[0], jobs.c.protocol == ours[1], jobs.c.port == ours[2])
        number = connection.execute(select(jobs.c.id).where(*is_ours)).scalar_one()
        span = {"first_seen": past - 1, "last_seen": past - 1, "seen_in_traffic": False}
        row = {
            **dict(zip(("address", "protocol", "port"), ours, strict=True)),
            **span,
            "refusals": 1,
            "refused_at": past,
        }
        connection.execute(insert(ports).values(row))
    assert refusals.try_again(sqlite_database) == 1
    assert in_state(sqlite_database, "pending") == {number}


def test_jobs_of_a_host_are_listed_by_kind(sqlite_database: Database) -> None:
    """One kind of a host that has jobs of each, and none of a kind that it has not."""
    sqlite_database.write(
        creation.create, [NewJob(kind=kind, address="192.0.2.1") for kind in ("domain", "geolocation")]
    )
    with sqlite_database.reading() as connection:
        for kind in ("banner", "domain", "geolocation"):
            page = lists.job_page(connection, 10, only=lists.JobFilter(kind=kind, address="192.0.2.1"))
            assert [row["kind"] for row in page] == [kind] * (kind != "banner")


def test_a_flood_is_marked_in_whole_batches(
    sqlite_database: Database, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each transaction marks a multiple of the batch, up to a bound; the last of them finds that there are no more."""
    kind = BY_NAME["banner"]
    monkeypatch.setattr(dispatcher, "_MARKED_AT_ONCE", 2 * kind.batch + 1)
    marked: list[tuple[int, int]] = []
    mark = store.mark_sent

    def recorded(connection: object, name: str, level: int, limit: int) -> list[store.Sent]:
        found = mark(connection, name, level, limit)  # type: ignore[arg-type]
        marked.append((limit, len(found)))
        return found

    monkeypatch.setattr(dispatcher.jobs, "mark_sent", recorded)
    sqlite_database.write(creation.create, [banner_job(port) for port in range(1, 3 * kind.batch)])
    from cobalt_tasks.core import settings

    sender = dispatcher.Dispatcher(sqlite_database, settings.load())
    assert sender.dispatch(["banner"]) == 3 * kind.batch - 1
    assert marked == [(2 * kind.batch, 2 * kind.batch), (2 * kind.batch, kind.batch - 1)]


def test_wake_ups_fill_the_room_there_is(
    sqlite_database: Database, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as calls, room and the bound allow: none for no call, none beyond the room."""
    monkeypatch.setattr(dispatcher, "MESSAGES", 2)
    monkeypatch.setattr(dispatcher, "WAKE_UPS", 3)
    from cobalt_tasks.core import settings

    sender = dispatcher.Dispatcher(sqlite_database, settings.load())
    level = BY_NAME["geolocation"].level(Urgency.ORDINARY)
    for calls, depth in ((0, 0), (1, 1), (10, 4), (10, 5), (10, 5)):
        sender.wake(calls)
        assert sender.broker.depth_by_level("geolocation")[level] == depth


def test_a_claim_of_active_jobs_is_refused_by_the_clock_alone(sqlite_database: Database) -> None:
    """Three due jobs are claimed, whichever of them was sent; one that is due later is not."""
    sqlite_database.write(creation.create, [banner_job(port) for port in (21, 22, 23, 24)])
    with sqlite_database.writing() as connection:
        connection.execute(update(jobs).where(jobs.c.port == 23).values(not_before=time.time() + 1000))
    assert {job.port for job in send_and_claim(sqlite_database).jobs} == {21, 22, 24}
