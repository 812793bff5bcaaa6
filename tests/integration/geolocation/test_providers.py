"""ipinfo and ipgeolocation, each against a server that speaks its contract; and the chain over several providers."""

import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from cobalt_tasks.core.addresses import Scope
from cobalt_tasks.core.records import Facts, Job, Verdict
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db.engine import Database
from cobalt_tasks.geolocation.geolocator import Geolocator
from cobalt_tasks.geolocation.providers.base import Answer, ProviderError
from cobalt_tasks.geolocation.providers.ip_api import IpApi
from cobalt_tasks.geolocation.providers.ipgeolocation import IpGeolocation
from cobalt_tasks.geolocation.providers.ipinfo import IpInfo
from cobalt_tasks.hosts import facts
from cobalt_tasks.jobs import store as jobs
from tests.support.provider_sites import TOKEN, Site, ipgeolocation, ipinfo_batch, ipinfo_lite, legacy, v3
from tests.support.providers import at, with_provider


@pytest.fixture
def site() -> Iterator[Site]:
    """A server."""
    server = Site()
    yield server
    server.shutdown()
    server.server_close()


ASKED = ["11.0.0.1", "25.0.0.1", "2001:4860::1"]


def check(answer: Answer) -> None:
    """Hold an answer against what the servers know."""
    assert set(answer.locations) == {"11.0.0.1", "2001:4860::1"}
    assert set(answer.negative) == {"25.0.0.1"}
    place = answer.locations["11.0.0.1"]
    assert (place.country_code, place.country_name, place.asn, place.organisation) == (
        "DE",
        "Germany",
        64496,
        "Example Net",
    )
    assert json.loads(place.raw or "")["ip"] == "11.0.0.1"


def test_ipinfo_in_batches(site: Site) -> None:
    """One request; the code is no name; "loc" becomes two numbers, "org" a number and a name."""
    site.answer = ipinfo_batch
    answer = at(IpInfo, site.url, TOKEN).ask(ASKED)
    check(answer)
    place = answer.locations["11.0.0.1"]
    assert (place.city, place.region, place.latitude, place.longitude, place.timezone) == (
        "Sampleton",
        "North",
        1.5,
        2.5,
        "Etc/UTC",
    )
    assert site.asked == [("/batch", ASKED)]


def test_ipinfo_lite_one_by_one_over_one_connection(site: Site) -> None:
    """Country and network; the connection is kept."""
    site.answer = ipinfo_lite
    answer = at(IpInfo, f"{site.url}/lite", TOKEN).ask(ASKED)
    check(answer)
    assert answer.locations["11.0.0.1"].latitude is None
    assert [path for path, _ in site.asked] == [f"/lite/{ip}" for ip in ASKED]
    assert site.connections == 1


@pytest.mark.parametrize("path", ["", "/v3/ipgeo", "/ipgeo", "/v3/ipgeo-bulk", "/ipgeo-bulk"])
def test_ipgeolocation_in_every_form(site: Site, path: str) -> None:
    """Both layouts, single and bulk: coordinates are numbers, a bogon is a final answer about one address."""
    site.answer = ipgeolocation
    provider = at(IpGeolocation, site.url + path, TOKEN)
    check(provider.ask(ASKED))
    assert provider.ask(ASKED).locations["11.0.0.1"].latitude == 1.5
    is_bulk = path.endswith("bulk")
    assert len(site.asked) == (2 if is_bulk else 6)
    assert bool(provider.terms.limits) is not is_bulk


PROVIDERS: dict[str, Callable[[str, str], Any]] = {
    "ipinfo": lambda url, token: at(IpInfo, url, token),
    "ipinfo lite": lambda url, token: at(IpInfo, f"{url}/lite", token),
    "ipgeolocation": lambda url, token: at(IpGeolocation, url, token),
    "ipgeolocation bulk": lambda url, token: at(IpGeolocation, f"{url}/ipgeo-bulk", token),
    "ip-api": lambda url, token: at(IpApi, f"{url}?key={token}"),
}


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize(
    ("status", "failure"), [(401, "denied"), (403, "denied"), (429, "busy"), (500, "bad"), (302, "bad")]
)
def test_every_refusal_has_its_name(site: Site, name: str, status: int, failure: str) -> None:
    """No leave, over the limit, broken: each is told apart, since each has its own pause."""
    site.answer = lambda *_: (status, {})
    with pytest.raises(ProviderError) as raised:
        PROVIDERS[name](site.url, TOKEN).ask(["11.0.0.1"])
    assert raised.value.failure == failure
    assert len(site.asked) == 1


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        "",
        5,
        None,
        [[]],
        {"11.0.0.1": 5},
        [{"ip": 5}],
        {"ip": "8.8.8.8", "country_code": "US"},
        [{"ip": "8.8.8.8"}],
        [None],
    ],
    ids=str,
)
def test_nothing_is_believed_of_an_answer_that_is_none(site: Site, name: str, document: Any) -> None:
    """Any other JSON locates nobody: the call is lost, or the address was left out."""
    site.answer = lambda *_: (200, document)
    places: list[Any] = []
    with suppress(ProviderError):
        places += PROVIDERS[name](site.url, TOKEN).ask(["11.0.0.1"]).locations.values()
    assert not any(place.is_located for place in places)
    assert len(site.asked) == 1


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_key_is_never_in_a_message(site: Site, name: str) -> None:
    """Reasons are stored and shown; what the user pays with is not."""
    site.answer = lambda *_: (500, {})
    messages = []
    for url in (site.url, "http://127.0.0.1:1", "http://nobody.invalid", "http://[bad"):
        try:
            PROVIDERS[name](url, TOKEN).ask(["11.0.0.1"])
        except (ProviderError, ValueError) as error:
            messages.append(str(error))
    assert len(messages) == 4
    assert not any(TOKEN in message for message in messages)


def test_what_the_time_of_a_call_is_not_enough_for_stays_unasked(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """One by one, the rest of a batch waits for another call, and nothing that was answered is lost."""
    calls = 0

    def answer(path: str, query: Any, headers: Any, asked: Any) -> tuple[int, Any]:
        nonlocal calls
        calls += 1
        return ipgeolocation(path, query, headers, asked) if calls < 3 else (429, {})

    site.answer = answer
    found = at(IpGeolocation, site.url, TOKEN).ask(ASKED)
    assert (set(found.locations), set(found.negative), found.unasked) == ({"11.0.0.1"}, {"25.0.0.1"}, {"2001:4860::1"})


def test_a_provider_without_its_key_is_not_asked(configured: Settings) -> None:
    """Only who could answer is in the chain, in the order of the setting."""
    names = ("ipgeolocation", "ip-api", "mmdb", "ipinfo")
    settings = replace(configured, geo_providers=names)
    assert [each.terms.provider for each in Geolocator(settings).providers] == ["ip-api"]
    keys = with_provider(with_provider(settings, "ipinfo", key=TOKEN), "ipgeolocation", key=TOKEN)
    assert [each.terms.provider for each in Geolocator(keys).providers] == ["ipgeolocation", "ip-api", "ipinfo"]


def ask(database: Database, geolocator: Geolocator, *addresses: str) -> dict[str, tuple[Verdict, str, str | None]]:
    """Put jobs where they wait for a budget, make one call, and return its outcomes."""
    from sqlalchemy import insert

    from cobalt_tasks.db.tables import jobs as table

    row = {"kind": "geolocation", "protocol": "", "port": 0, "level": 3, "state": "pending", "forced": False}
    row |= {"waits_for": "quota", "isolated": False, "attempts": 0, "not_before": 0.0, "created_at": 0.0}
    with database.writing() as connection:
        connection.execute(table.delete())
        connection.execute(insert(table), [{**row, "address": address} for address in addresses])
    call = geolocator.reserve(database, 15.0)
    assert call
    batch: list[Job] = call.claim.jobs
    outcomes = call.ask(batch)
    database.write(lambda c: jobs.finish(c, call.claim.token, outcomes))
    found = {}
    for outcome in outcomes:
        location = outcome.facts.locations[0] if outcome.facts else None
        found[outcome.job.address] = (outcome.verdict, outcome.code, location.provider if location else None)
    return found


def test_when_one_fails_the_next_is_asked(
    sqlite_database: Database, configured: Settings, site: Site, ip_api: Any
) -> None:
    """The first provider is banned: its jobs wait uncounted, and the second one answers them."""
    site.answer = ipinfo_batch
    ip_api.allowed = 0
    names = ("ip-api", "ipinfo")
    settings = with_provider(replace(configured, geo_providers=names), "ipinfo", site.url, TOKEN)
    geolocator = Geolocator(settings)
    assert ask(sqlite_database, geolocator, "11.0.0.1") == {"11.0.0.1": (Verdict.WAIT, "no quota", None)}
    assert ask(sqlite_database, geolocator, "11.0.0.1") == {"11.0.0.1": (Verdict.DONE, "located", "ipinfo")}
    assert ip_api.refused == 1


def test_when_a_budget_is_used_up_the_next_is_asked_before_anybody_refuses(
    sqlite_database: Database, configured: Settings, site: Site, ip_api: Any
) -> None:
    """Sixteen calls in a minute: fifteen of the first provider, one of the second, no 429."""
    site.answer = ipinfo_batch
    settings = with_provider(replace(configured, geo_providers=("ip-api", "ipinfo")), "ipinfo", site.url, TOKEN)
    geolocator = Geolocator(settings)
    asked = [ask(sqlite_database, geolocator, f"11.0.0.{index}")[f"11.0.0.{index}"][2] for index in range(16)]
    assert asked == ["ip-api"] * 15 + ["ipinfo"]
    assert ip_api.refused == 0


def test_a_day_of_look_ups_is_a_thousand(sqlite_database: Database, configured: Settings, site: Site) -> None:
    """Every address of a call counts for ipgeolocation's free plan: the last call takes what is left, then none."""
    site.answer = ipgeolocation
    names = ("ipgeolocation",)
    settings = with_provider(replace(configured, geo_providers=names), "ipgeolocation", site.url, TOKEN)
    geolocator = Geolocator(settings)
    (provider,) = geolocator.providers
    few = (replace(provider.terms.limits[0], calls=30),)
    geolocator.providers = [IpGeolocation(settings.provider("ipgeolocation"), Scope(), few)]
    ten = [f"11.0.0.{index}" for index in range(20)]
    assert len(ask(sqlite_database, geolocator, *ten)) == 20
    assert len(ask(sqlite_database, geolocator, *ten)) == 10
    assert geolocator.worthwhile_calls(sqlite_database) == 0
    assert geolocator.reserve(sqlite_database, 15.0) is None
    assert len(site.asked) == 30


EXTREMES = st.sampled_from(
    [10**400, -(10**400), 2**64, 1e308, "1e400", "nan", "-inf", "11.0.0.1", "\x00", "AS4294967296"]
)
SCALARS = EXTREMES | st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
HONEST = {
    "ip-api": {
        "query": "11.0.0.1",
        "status": "success",
        "countryCode": "DE",
        "lat": 1.5,
        "lon": 2.5,
        "as": "AS64496 X",
    },
    "ipinfo": {"ip": "11.0.0.1", "country": "DE", "loc": "1.5,2.5", "org": "AS64496 X", "bogon": False},
    "ipinfo lite": {"ip": "11.0.0.1", "country_code": "DE", "country": "Germany", "asn": "AS64496", "as_name": "X"},
    "ipgeolocation": v3("11.0.0.1"),
    "ipgeolocation bulk": legacy("11.0.0.1"),
}


@pytest.mark.parametrize("name", PROVIDERS)
def test_whatever_a_provider_says_is_an_outcome(sqlite_database: Database, configured: Settings, name: str) -> None:
    """Any value in any field of any answer: a refused call, or an outcome that the ledger takes; never an exception."""
    site = Site()
    provider = PROVIDERS[name](site.url, TOKEN)
    chain = Geolocator(configured)
    job = Job(id=1, kind="geolocation", address="11.0.0.1", protocol="", port=0, attempts=0, forced=False)

    @given(st.dictionaries(st.sampled_from(sorted(HONEST[name])), ANYTHING, max_size=3), st.booleans())
    @hypothesis.settings(max_examples=60)
    def hold(changes: dict[str, Any], is_alone: bool) -> None:
        entry = {**HONEST[name], **changes}
        wrapped = {"ip-api": [entry], "ipinfo": {"11.0.0.1": entry}, "ipgeolocation bulk": [entry]}
        site.answer = lambda *_: (200, entry if is_alone else wrapped.get(name, entry))
        try:
            answer = provider.ask(["11.0.0.1"])
        except ProviderError:
            return
        assert set(answer.locations) | set(answer.negative) <= {"11.0.0.1"}
        outcome = chain.outcome(job, provider.terms.provider, answer, [], 1.0)
        sqlite_database.write(facts.write, outcome.facts or Facts())
        for found in outcome.facts.locations if outcome.facts else []:
            assert found.latitude is None or -90 <= found.latitude <= 90
            assert found.country_code is None or len(found.country_code) == 2

    try:
        hold()
    finally:
        site.shutdown()
        site.server_close()


@pytest.mark.parametrize(
    ("excluded", "is_asked"), [(["127.0.0.0/8", "::1"], False), (["::1"], True), (["127.0.0.0/8"], False), ([], True)]
)
def test_a_name_that_leads_to_an_excluded_address_is_not_asked(excluded: list[str], is_asked: bool) -> None:
    """Nothing is connected to, whatever the name of a provider leads to; its other addresses are.

    Break: `_new_conn` in geolocation/providers/transport.py.
    """
    connections = 0

    class Counting(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            nonlocal connections
            connections += 1

    with socketserver.TCPServer(("127.0.0.1", 0), Counting) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        provider = at(IpApi, f"http://localhost:{server.server_address[1]}", scope=Scope([], excluded))
        with pytest.raises(ProviderError) as refusal:
            provider.ask(["8.8.8.8"])
        server.shutdown()
    assert (connections > 0) == is_asked
    if len(excluded) > 1:
        assert refusal.value.failure == "unreachable"
        assert "all its addresses lie in COBALT_EXCLUDE" in str(refusal.value)
