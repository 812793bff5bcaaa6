"""From rows to messages, over a real Redis."""

import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
import redis
from sqlalchemy import delete, func, select, update

from cobalt_tasks.core import settings as environment
from cobalt_tasks.core.catalog import BY_NAME, KINDS
from cobalt_tasks.core.durations import DAY
from cobalt_tasks.core.errors import BrokerUnavailableError
from cobalt_tasks.core.kinds import Urgency
from cobalt_tasks.core.records import NewJob
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import jobs as table
from cobalt_tasks.db.tables import locks
from cobalt_tasks.jobs import creation, leases, rounds
from cobalt_tasks.jobs import store as jobs
from cobalt_tasks.jobs.dispatcher import MESSAGES, WAKE_UPS, Dispatcher
from cobalt_tasks.jobs.reaper import sweep, upkeep
from cobalt_tasks.jobs.store import Sent
from cobalt_tasks.messages.hints import SENT_AT


def fill(database: Database, count: int, urgency: Urgency = Urgency.ORDINARY) -> None:
    """Make banner jobs."""
    new = [
        NewJob(kind="banner", address="192.0.2.1", protocol="tcp", port=port, urgency=urgency)
        for port in range(1, count + 1)
    ]
    database.write(creation.create, new)


def counts(database: Database) -> dict[str, int]:
    """Jobs by state."""
    with database.reading() as connection:
        return dict(connection.execute(select(table.c.state, func.count()).group_by(table.c.state)).all())


def messages(url: str, key: str = "banner\x06\x161") -> list[dict[str, object]]:
    """The messages waiting in one Redis list."""
    client = redis.Redis.from_url(url)
    try:
        return [msgspec.json.decode(message) for message in client.lrange(key, 0, -1)]
    finally:
        client.close()


@pytest.fixture
def dispatcher(database: Database, redis_url: str) -> Dispatcher:
    """A dispatcher on the private Redis."""
    return Dispatcher(database, environment.load())


def test_a_lone_job_travels_at_once_and_a_flood_in_batches(database: Database, dispatcher: Dispatcher) -> None:
    """One job makes one message; many make as few as the catalog's batch allows."""
    fill(database, 1)
    assert dispatcher.dispatch(["banner"]) == 1
    assert dispatcher.broker.depths()["banner"] == 1
    batch = BY_NAME["banner"].batch
    fill(database, 3 * batch + 1)
    assert dispatcher.dispatch(["banner"]) == 3 * batch
    assert dispatcher.broker.depths()["banner"] == 1 + 3


def test_batches_have_the_size_their_pace_allows(database: Database, dispatcher: Dispatcher) -> None:
    """Quick jobs travel in larger batches, slow ones in smaller, between the catalog's bounds; a small batch teaches
    nothing. Break: `batch_size`, or the condition in Dispatcher.record_throughput.
    """
    kind = BY_NAME["banner"]
    fill(database, 10 * kind.most)
    dispatcher.record_throughput("banner", kind.batch - 1, 0.001)
    assert dispatcher.broker.seconds_per_job("banner") is None
    for seconds_per_job, size in ((0.01, 100), (0.0001, kind.most), (0.1, kind.batch)):
        dispatcher.record_throughput("banner", kind.batch, kind.batch * seconds_per_job)
        waiting = dispatcher.broker.depths()["banner"]
        before = counts(database).get("sent", 0)
        # Room for three messages.
        for _ in range(MESSAGES - 3 - waiting):
            dispatcher.broker._redis.lpush("banner\x06\x161", b"{}")
        assert dispatcher.dispatch(["banner"]) == 3 * size
        assert counts(database)["sent"] == before + 3 * size
        dispatcher.broker._redis.delete("banner\x06\x161")


def test_the_largest_message_is_small_enough(sqlite_database: Database, redis_url: str) -> None:
    """Larger messages than 48 KB can block a pool child for ever; ids of twelve digits still fit. Break: `most`."""
    dispatcher = Dispatcher(sqlite_database, environment.load())
    for kind in KINDS:
        ids = [Sent(10**12 + number, False, False, time.time()) for number in range(kind.most)]
        dispatcher._send(kind, kind.level(Urgency.ORDINARY), [ids])
        (message,) = dispatcher.broker._redis.lrange(f"{kind.name}\x06\x16{kind.level(Urgency.ORDINARY)}", 0, -1)
        assert len(message) < 48_000


def test_messages_are_bounded_and_the_rest_waits_in_the_ledger(database: Database, dispatcher: Dispatcher) -> None:
    """No more than MESSAGES wait in a queue at a level. Break: `room` in Dispatcher._dispatch."""
    batch = BY_NAME["banner"].batch
    fill(database, MESSAGES * batch + 10)
    dispatcher.dispatch(["banner"])
    dispatcher.dispatch(["banner"])
    assert dispatcher.broker.depths()["banner"] == MESSAGES
    assert counts(database) == {"sent": MESSAGES * batch, "pending": 10}


def test_a_full_queue_does_not_hold_up_a_more_urgent_step(database: Database, dispatcher: Dispatcher) -> None:
    """The bound is per level: refreshes cannot keep an interactive request out."""
    fill(database, MESSAGES * BY_NAME["banner"].batch + 1, Urgency.REFRESH)
    dispatcher.dispatch(["banner"])
    fill(database, 1, Urgency.INTERACTIVE)
    assert dispatcher.dispatch(["banner"]) == 1
    assert dispatcher.broker.depth_by_level("banner")[0] == 1


def test_a_message_says_when_its_jobs_were_sent(dispatcher: Dispatcher, database: Database, redis_url: str) -> None:
    """The header carries the database's time, and the oldest message's is found."""
    fill(database, 1)
    dispatcher.dispatch(["banner"])
    (message,) = messages(redis_url)
    assert message["headers"][SENT_AT] == pytest.approx(time.time(), abs=5)
    assert message["headers"]["ignore_result"] is True
    assert dispatcher.broker.oldest("banner")[1] == message["headers"][SENT_AT]


def test_without_redis_the_jobs_wait(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dispatcher that cannot send says so, and leaves every job pending."""
    monkeypatch.setenv("COBALT_BROKER_URL", "redis://127.0.0.1:1/0")
    fill(database, 3)
    with pytest.raises(BrokerUnavailableError):
        Dispatcher(database, environment.load()).dispatch(["banner"])
    assert counts(database) == {"pending": 3}


def test_redis_that_takes_no_more_leaves_the_jobs_pending(
    dispatcher: Dispatcher, database: Database, redis_url: str
) -> None:
    """Out of memory while publishing: nothing is marked as sent that was not. Break: `finally` in Dispatcher._send."""
    fill(database, 3)
    client = redis.Redis.from_url(redis_url)
    client.config_set("maxmemory", 1)
    try:
        with pytest.raises(BrokerUnavailableError):
            dispatcher.dispatch(["banner"])
    finally:
        client.config_set("maxmemory", 0)
        client.close()
    assert counts(database) == {"pending": 3}
    assert dispatcher.dispatch(["banner"]) == 3


def test_wake_up_messages_are_bounded_and_of_their_own_task(dispatcher: Dispatcher, redis_url: str) -> None:
    """Calls for a provider do not pile up while no worker answers them, and name no job."""
    for _ in range(10):
        dispatcher.wake(100)
    assert 0 < dispatcher.broker.depths()["geolocation"] <= MESSAGES + WAKE_UPS
    level = BY_NAME["geolocation"].level(Urgency.ORDINARY)
    with redis.Redis.from_url(redis_url) as client:
        message = json.loads(client.lindex(f"geolocation\x06\x16{level}", 0))  # type: ignore[arg-type]
    assert message["headers"]["task"] == "cobalt.provider_call"
    assert json.loads(base64.b64decode(message["body"]))[0] == []


def test_jobs_are_found_lost_behind_a_ring(
    dispatcher: Dispatcher, database: Database, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message without jobs, alone in the queue, hides nothing. Break: the default of SENT_AT in dispatch._publish."""
    monkeypatch.setattr("cobalt_tasks.jobs.reaper.LOST_AFTER_SECONDS", 0.0)
    database.write(creation.create, [NewJob(kind="geolocation", address="8.8.8.8")])
    dispatcher.dispatch(["geolocation"])
    client = redis.Redis.from_url(redis_url)
    client.flushall()
    client.close()
    time.sleep(0.05)
    dispatcher.wake(1)
    sweep(database, dispatcher)
    assert dispatcher.broker.depths()["geolocation"] == 2


def test_after_flushall_everything_is_sent_again_without_a_flood(
    dispatcher: Dispatcher,
    database: Database,
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The sweep finds out that the messages are gone: invariant 2 of docs/architecture.md. Break: sweep._resend_lost."""
    monkeypatch.setattr("cobalt_tasks.jobs.reaper.LOST_AFTER_SECONDS", 0.0)
    fill(database, 100)
    dispatcher.dispatch(["banner"])
    before = dispatcher.broker.depths()["banner"]
    client = redis.Redis.from_url(redis_url)
    client.flushall()
    client.close()
    time.sleep(0.05)
    sweep(database, dispatcher)
    assert dispatcher.broker.depths()["banner"] == before
    assert counts(database) == {"sent": 100}


def test_the_sweep_sends_again_what_a_killed_worker_held(database: Database, dispatcher: Dispatcher) -> None:
    """A claim whose lease is over is pending again and sent in the same round: invariant 2. Break: reap in sweep."""
    fill(database, 2)
    dispatcher.dispatch(["banner"])
    with database.reading() as connection:
        ids = list(connection.execute(select(table.c.id)).scalars())
    assert len(database.write(jobs.claim, "banner", ids, 0.05).jobs) == 2
    database.write(leases.reap)
    time.sleep(0.1)
    sweep(database, dispatcher)
    assert counts(database) == {"sent": 2}
    # Suspect, they go in a message of their own.
    assert dispatcher.broker.depths()["banner"] == 1 + 1


def test_a_second_sweep_right_after_does_nothing(
    dispatcher: Dispatcher, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two beats do no harm: the lock in the database lets one through. Break: locks.take in sweep."""
    monkeypatch.setattr(rounds, "_PAUSE_SECONDS", rounds.ROUND_SECONDS - 1)
    sweep(database, dispatcher)
    fill(database, 1)
    sweep(database, dispatcher)
    assert counts(database) == {"pending": 1}


def test_of_many_that_send_at_once_one_sends_each_job(database: Database, redis_url: str) -> None:
    """Workers, sweeps and producers top up at the same moment: one message. Break: is_in(PENDING) in jobs._is_sendable."""
    fill(database, 1)
    dispatchers = [Dispatcher(database, environment.load()) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda each: each.dispatch(["banner"]), dispatchers)) == 1
    assert counts(database) == {"sent": 1}
    assert dispatchers[0].broker.depths()["banner"] == 1


def test_the_upkeep_prunes_history_by_age(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs that ended more than COBALT_HISTORY_DAYS ago go, others stay. Break: job_admin.prune in the upkeep."""
    monkeypatch.setenv("COBALT_HISTORY_DAYS", "7")
    fill(database, 3)
    with database.writing() as connection:
        for port, state, days in ((1, "done", 8), (2, "failed", 6)):
            changed = update(table).where(table.c.port == port)
            connection.execute(changed.values(state=state, finished_at=time.time() - days * DAY))
    upkeep(database, environment.load())
    assert counts(database) == {"failed": 1, "pending": 1}


@pytest.mark.parametrize("forged", ["nan", "inf", "-3", "1e-320", "x" * 5000, "", "{}"])
def test_a_forged_pace_counts_as_absent(database: Database, dispatcher: Dispatcher, forged: str) -> None:
    """Jobs are sent in the catalog's batches whatever stands where the pace is kept. Break: `hints.number`."""
    dispatcher.broker._redis.hset("cobalt_seconds_per_job", "banner", forged)
    assert dispatcher.broker.seconds_per_job("banner") is None
    fill(database, 3)
    assert dispatcher.dispatch(["banner"]) == 3


@pytest.mark.parametrize("key_type", ["list", "string", "set"])
def test_a_pace_of_another_type_counts_as_absent(database: Database, dispatcher: Dispatcher, key_type: str) -> None:
    """Where a hash is expected and another type is found, jobs are sent, and their pace is just not kept."""
    client, key = dispatcher.broker._redis, "cobalt_seconds_per_job"
    {"list": client.lpush, "string": client.set, "set": client.sadd}[key_type](key, "7")
    fill(database, 3)
    assert dispatcher.dispatch(["banner"]) == 3
    dispatcher.record_throughput("banner", 1000, 1.0)


@pytest.mark.parametrize("forged", ["garbage", "[]", '{"headers": {"cobalt_sent_at": "nan"}}', '{"headers": null}'])
def test_a_forged_message_at_the_end_of_a_queue_stops_no_sweep(
    database: Database, dispatcher: Dispatcher, forged: str
) -> None:
    """The sweep does all its kinds, and takes nothing for lost because of it. Break: `hints.sent_at`."""
    fill(database, 1)
    dispatcher.broker._redis.rpush("banner\x06\x161", forged)
    sweep(database, dispatcher)
    assert counts(database) == {"sent": 1}


def test_keys_of_a_wrong_type_are_removed(dispatcher: Dispatcher) -> None:
    """Exactly the keys of ours that hold another type go; queues, pace and what others keep there stay."""
    client = dispatcher.broker._redis
    client.set("banner", "x")
    client.hset("control", "x", "y")
    client.lpush("unacked", "x")
    client.lpush("domain", "{}")
    client.hset("cobalt_seconds_per_job", "banner", "0.5")
    client.set("foreign", "x")
    assert sorted(dispatcher.broker.remove_foreign_keys()) == ["banner", "control", "unacked"]
    assert dispatcher.broker.remove_foreign_keys() == []
    assert sorted(client.keys()) == [b"cobalt_seconds_per_job", b"domain", b"foreign"]


def test_a_level_that_an_older_version_wrote_is_still_sent(database: Database, dispatcher: Dispatcher) -> None:
    """Jobs of a kind whose priority has changed, pending or sent, get a level of this version in the next round.

    Break: _relevel in sweep, or a gap of backlog.unknown_levels.
    """
    fill(database, 6)
    with database.writing() as connection:
        ids = sorted(connection.execute(select(table.c.id)).scalars())
        for number, (level, state) in zip(
            ids, ((2, "pending"), (4, "sent"), (6, "pending"), (8, "sent"), (9, "pending"), (1, "pending")), strict=True
        ):
            connection.execute(update(table).where(table.c.id == number).values(level=level, state=state, sent_at=0.0))
    for _ in range(2):
        assert sweep(database, dispatcher)
        with database.writing() as connection:
            connection.execute(delete(locks))
    with database.reading() as connection:
        found = connection.execute(select(table.c.level, table.c.state).order_by(table.c.id)).all()
    assert [tuple(row) for row in found] == [(level, "sent") for level in (1, 1, 5, 5, 5, 1)]
    assert sum(dispatcher.broker.depth_by_level("banner").values()) >= 2
