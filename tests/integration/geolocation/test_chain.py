"""The chain: who is asked, when, and what becomes of the jobs."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import select, update

from cobalt_tasks.core.addresses import Scope
from cobalt_tasks.core.records import State
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import breakers, cursors, freshness, locations, quotas
from cobalt_tasks.geolocation import geolocator
from cobalt_tasks.jobs import creation
from cobalt_tasks.jobs import store as queue
from tests.support.geolocation import KIND, LEASE, Ledger, public, say
from tests.support.providers import with_provider


@pytest.fixture
def ledger(database: Database, configured: Settings) -> Ledger:
    """A ledger, and a geolocator without local databases."""
    return Ledger(database, configured)


@pytest.fixture
def long_wait(monkeypatch: pytest.MonkeyPatch) -> float:
    """The seconds after which a part of a call is worthwhile: more than any test takes."""
    seconds = 1000.0
    monkeypatch.setattr(geolocator, "_DEMAND", replace(geolocator._DEMAND, max_wait=seconds))
    return seconds


@pytest.fixture
def with_databases(sqlite_database: Database, configured: Settings, databases: Path) -> Ledger:
    """A ledger, and a geolocator with local databases."""
    configured.home.mkdir(exist_ok=True)
    databases.rename(configured.geodb_folder)
    return Ledger(sqlite_database, configured)


def test_what_a_local_database_knows_is_done_and_nobody_is_asked(with_databases: Ledger, ip_api: Any) -> None:
    """Local first: one round, facts in the ledger, no packet."""
    with_databases.add("8.8.8.8")
    with_databases.local()
    assert with_databases.states() == {"done: located": 1}
    assert with_databases.location("8.8.8.8").city == "Sampleton"
    assert with_databases.geolocator.worthwhile_calls(with_databases.database) == 0
    assert ip_api.calls == []


def test_what_it_does_not_know_waits_uncounted_and_is_asked_in_one_call(
    ledger: Ledger, ip_api: Any, long_wait: float
) -> None:
    """Jobs wait for a budget without losing an attempt; after a short wait a part-filled call is worthwhile."""
    ledger.add("9.9.9.9", "11.0.0.1")
    ledger.local()
    assert ledger.states() == {"pending: no quota": 2}
    assert ledger.job("9.9.9.9").attempts == 0
    assert ledger.geolocator.worthwhile_calls(ledger.database) == 0
    assert ledger.remote() == 0
    ledger.pass_time(long_wait)
    assert ledger.geolocator.worthwhile_calls(ledger.database) == 1
    assert ledger.remote() == 2
    assert ledger.states() == {"done: located": 2}
    assert sorted(ip_api.asked) == ["11.0.0.1", "9.9.9.9"]
    found = ledger.location("9.9.9.9")
    assert (found.provider, found.country_code, found.country_name, found.city) == (
        "ip-api",
        "EX",
        "Exampleland",
        "Sampleton",
    )
    assert (found.latitude, found.longitude, found.asn, found.organisation) == (1.5, 2.5, 64496, "Example Net")
    assert json.loads(found.raw)["isp"] == "Example ISP"
    assert found.fetched_at == pytest.approx(time.time(), abs=60)


def test_calls_are_packed_full_before_one_is_spent(ledger: Ledger, ip_api: Any, long_wait: float) -> None:
    """250 fresh jobs are two full calls; the rest has a call of its own only when it has waited."""
    ledger.add(*public(250))
    ledger.local()
    assert ledger.geolocator.worthwhile_calls(ledger.database) == 2
    assert [ledger.remote(), ledger.remote(), ledger.remote()] == [100, 100, 0]
    ledger.pass_time(long_wait)
    assert ledger.geolocator.worthwhile_calls(ledger.database) == 1
    assert ledger.remote() == 50
    assert [len(addresses) for _, addresses in ip_api.calls] == [100, 100, 50]


def test_a_used_up_budget_leaves_the_rest_in_the_ledger(ledger: Ledger, ip_api: Any) -> None:
    """The sixteenth call of a minute is not made and claims nothing; the next minute goes on."""
    ledger.add(*public(1700))
    ledger.local()
    assert ledger.geolocator.worthwhile_calls(ledger.database) == 15
    assert [ledger.remote() for _ in range(17)] == [100] * 15 + [0, 0]
    assert ledger.states() == {"done: located": 1500, "pending: no quota": 200}
    assert ledger.geolocator.worthwhile_calls(ledger.database) == 0
    assert (len(ip_api.calls), ip_api.refused) == (15, 0)
    ledger.pass_time(61)
    assert ledger.geolocator.worthwhile_calls(ledger.database) == 2


def test_only_public_addresses_leave(ledger: Ledger, ip_api: Any) -> None:
    """A job for any other address ends at once, and no provider hears of it."""
    private = [
        "192.168.1.1",
        "100.64.1.1",
        "224.0.0.251",
        "2001:db8::1",
        "fe80::1",
        "198.18.0.1",
        "127.0.0.1",
        "240.0.0.1",
    ]
    ledger.add(*private, "11.0.0.1")
    ledger.local()
    ledger.pass_time(2)
    ledger.remote()
    assert ip_api.asked == ["11.0.0.1"]
    assert ledger.states() == {"done: located": 1, "failed: not public": len(private)}


def test_nothing_to_know_is_a_final_answer_with_a_short_life(ledger: Ledger) -> None:
    """The answer "reserved range" ends the job, leaves no location, and is good for a day, not for thirty."""
    ledger.add("25.0.0.1")
    ledger.local()
    ledger.pass_time(2)
    ledger.remote()
    assert ledger.states() == {"done: nothing known": 1}
    assert "reserved range" in ledger.job("25.0.0.1").detail
    assert ledger.location("25.0.0.1") is None
    with ledger.database.reading() as connection:
        fresh_until = connection.execute(select(freshness.c.fresh_until)).scalar_one()
    assert fresh_until - time.time() == pytest.approx(86400, abs=60)


@pytest.fixture
def nobody(configured: Settings) -> Iterator[Settings]:
    """Settings that name a port where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield with_provider(configured, "ip-api", f"http://127.0.0.1:{taken.getsockname()[1]}")


def test_without_anybody_to_ask_a_job_fails_with_that_reason(sqlite_database: Database, nobody: Settings) -> None:
    """Three attempts, a breaker between them, and "no provider"; nothing is fresh then."""
    ledger = Ledger(sqlite_database, nobody)
    ledger.add("9.9.9.9")
    attempts = []
    for _ in range(3):
        ledger.local()
        ledger.pass_time(2)
        assert ledger.remote() == 1
        attempts.append(ledger.job("9.9.9.9").attempts)
        assert ledger.remote() == 0
        ledger.pass_time(13)
    assert attempts == [1, 2, 3]
    assert ledger.states() == {"failed: no provider": 1}
    assert "connection refused" in ledger.job("9.9.9.9").detail
    with sqlite_database.reading() as connection:
        assert connection.execute(select(freshness.c.fresh_until)).scalar_one() is None


def test_the_pauses_of_an_unreachable_provider_stay_short(sqlite_database: Database, nobody: Settings) -> None:
    """However often nobody answered, the next try is no more than a few seconds away."""
    ledger = Ledger(sqlite_database, nobody)
    for address in public(8):
        ledger.add(address)
        ledger.local()
        ledger.pass_time(12.5)
        assert ledger.remote()
    with sqlite_database.reading() as connection:
        open_until, failures = connection.execute(select(breakers.c.open_until, breakers.c.failures)).one()
    assert failures == 8
    assert open_until - time.time() < 12.5


def test_no_provider_at_all_is_a_failure_too(sqlite_database: Database, configured: Settings) -> None:
    """Local only, and no database installed: retried at short intervals, then failed."""
    ledger = Ledger(sqlite_database, replace(configured, geo_providers=("mmdb",)))
    ledger.add("9.9.9.9")
    for _ in range(3):
        ledger.local()
        ledger.pass_time(15)
    assert ledger.states() == {"failed: no provider": 1}
    assert "cobalt geodb update" in ledger.job("9.9.9.9").detail


def test_local_only_and_unknown_is_final(with_databases: Ledger, configured: Settings) -> None:
    """A database that does not know an address will not know it in five seconds either."""
    ledger = Ledger(with_databases.database, replace(configured, geo_providers=("mmdb",)))
    ledger.add("9.9.9.9")
    ledger.local()
    assert ledger.states() == {"failed: unknown": 1}


def test_jobs_that_waited_for_a_provider_that_is_no_longer_configured_end(ledger: Ledger, configured: Settings) -> None:
    """They are claimed by a call to nobody, and lose an attempt."""
    ledger.add("9.9.9.9")
    ledger.local()
    without = Ledger(ledger.database, replace(configured, geo_providers=("mmdb",)))
    assert without.geolocator.worthwhile_calls(ledger.database) == 1
    assert without.remote() == 1
    assert ledger.job("9.9.9.9").attempts == 1


def test_a_database_that_arrives_meanwhile_answers_without_a_call(
    ledger: Ledger, ip_api: Any, configured: Settings, databases: Path
) -> None:
    """Jobs that already wait are looked up again before a call is made for them, and the call is given back."""
    ledger.add("8.8.8.8")
    ledger.local()
    databases.rename(configured.geodb_folder)
    ledger.pass_time(2)
    assert ledger.remote() == 1
    assert ledger.states() == {"done: located": 1}
    assert ip_api.calls == []
    with ledger.database.reading() as connection:
        assert connection.execute(select(quotas.c.used)).scalar_one() == 0


def test_a_ban_is_respected(ledger: Ledger, ip_api: Any) -> None:
    """A 429 from a provider others have used up closes it for as long as it says, costs no attempt, and is not repeated."""
    ip_api.allowed = 0
    ledger.add("9.9.9.9")
    ledger.local()
    ledger.pass_time(2)
    assert ledger.remote() == 1
    assert (ledger.states(), ledger.job("9.9.9.9").attempts) == ({"pending: no quota": 1}, 0)
    ledger.pass_time(50)
    assert ledger.geolocator.worthwhile_calls(ledger.database) == 0
    assert ledger.remote() == 0
    ledger.pass_time(11)
    ip_api.allowed = 15
    ip_api.window = 0.0
    ip_api._ends = 0.0
    assert ledger.remote() == 1
    assert ip_api.refused == 1
    assert ledger.states() == {"done: located": 1}


def test_the_providers_headers_are_obeyed(ledger: Ledger, ip_api: Any) -> None:
    """When others behind the same address have used the window up, nobody asks until it ends."""
    ip_api.allowed = 1
    ledger.add(*public(200))
    ledger.local()
    assert ledger.remote() == 100
    assert ledger.remote() == 0
    assert (len(ip_api.calls), ip_api.refused) == (1, 0)


def test_the_state_of_a_job_that_waits(ledger: Ledger) -> None:
    """It is pending, is not claimed by a message that still names it, and is not a job of the sweep."""
    ledger.add("9.9.9.9")
    ledger.local()
    row = ledger.job("9.9.9.9")
    assert (row.state, row.waits_for) == (State.PENDING, "quota")
    assert ledger.database.write(lambda c: queue.claim(c, "geolocation", [row.id], LEASE)).jobs == []


def test_what_ip_api_leaves_open_is_completed_from_here(with_databases: Ledger, ip_api: Any) -> None:
    """The network of an address only the list of networks knows comes from there, and says so."""
    entry = {"query": "8.8.4.4", "status": "success", "country": "Germany", "countryCode": "DE"}
    ip_api.misbehave = say(200, json.dumps([entry]).encode())
    with_databases.add("8.8.4.4")
    with_databases.local()
    with_databases.pass_time(2)
    with_databases.remote()
    found = with_databases.location("8.8.4.4")
    assert (found.provider, found.country_code, found.asn) == ("ip-api", "DE", 64496)
    assert json.loads(found.sources) == {"asn": "mmdb:asn", "organisation": "mmdb:asn"}


def test_a_budget_that_opens_soon_is_known_beforehand(ledger: Ledger) -> None:
    """The sweep can wake workers for the moment a window opens, instead of finding out after it has."""
    ledger.add(*public(1700))
    ledger.local()
    assert ledger.geolocator.later_calls(ledger.database, 5.0)[0] == 0
    while ledger.remote():
        pass
    assert ledger.geolocator.later_calls(ledger.database, 5.0)[0] == 0
    ledger.pass_time(40)
    calls, after = ledger.geolocator.later_calls(ledger.database, 21.0)
    assert calls == 2
    assert 0 < after < 21
    ledger.pass_time(after)
    assert ledger.remote() == 100


def test_a_newer_build_makes_stale_what_an_older_one_gave(
    with_databases: Ledger, write_database: Callable[..., Path], tmp_path: Path
) -> None:
    """Once for each build, and only that: what a provider gave stays fresh, and the sweep makes refresh jobs."""
    with_databases.add("8.8.8.8", "9.9.9.9")
    with_databases.local()
    with_databases.pass_time(2)
    with_databases.remote()
    database, geolocator = with_databases.database, with_databases.geolocator
    geolocator.expire_older_builds(database)
    assert database.write(creation.refresh, KIND, 10) == 0
    with database.writing() as connection:
        connection.execute(update(locations).values(database_built=locations.c.database_built - 86400))
        connection.execute(cursors.delete())
    geolocator.expire_older_builds(database)
    time.sleep(0.01)
    assert database.write(creation.refresh, KIND, 10) == 1
    assert with_databases.database.write(creation.refresh, KIND, 10) == 0
    with database.writing() as connection:
        connection.execute(update(freshness).values(fresh_until=time.time() + 1000))
    geolocator.expire_older_builds(database)
    assert database.write(creation.refresh, KIND, 10) == 0


def test_no_provider_is_asked_about_what_is_excluded(
    ledger: Ledger, ip_api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """COBALT_EXCLUDE binds geolocation too, wherever the job came from."""
    monkeypatch.setattr(ledger.geolocator, "_scope", Scope([], ["11.0.0.0/24"]))
    ledger.add("11.0.0.1", "11.0.1.1")
    ledger.local()
    ledger.pass_time(2)
    ledger.remote()
    assert ip_api.asked == ["11.0.1.1"]
    assert ledger.states() == {"done: located": 1, "failed: excluded": 1}
