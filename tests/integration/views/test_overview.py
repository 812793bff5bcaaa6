"""The counts that the overview and the map show: made by the upkeep, and asked over HTTP."""

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import insert

from cobalt_tasks.core import own_networks
from cobalt_tasks.core.durations import HOUR
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db import tables
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts import changes, flows, map_cells, traffic_counts
from cobalt_tasks.hosts.map_cells import Box, MapCells
from cobalt_tasks.views import overview
from tests.integration.storage.test_plans import plans
from tests.integration.views.conftest import get
from tests.support.recount import recount
from tests.support.waiting import PATIENCE
from tests.unit.views.test_differences import applied

Serving = Callable[[Settings], Any]
NOW = time.time()
BERLIN, PARIS, NELSON = (52.52, 13.40, "DE", "Berlin"), (48.86, 2.35, "FR", "Paris"), (-41.27, 173.28, "NZ", "Nelson")
NETWORKS = """
["192.168.0.0/16"]
name = "office"
latitude = 51.0
longitude = 7.0
["10.0.0.0/8"]
name = "lab"
"""


def locate(
    database: Database, *places: tuple[float | None, float | None, str | None, str], first: int = 0
) -> list[str]:
    """Store a host at each place, and return their addresses."""
    addresses = [f"8.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}" for n in range(first, first + len(places))]
    seen = {"first_seen": NOW, "last_seen": NOW, "discovered": False}
    rows = [
        {"address": address, "latitude": lat, "longitude": lon, "country_code": code, "city": city, "provider": "mmdb"}
        for address, (lat, lon, code, city) in zip(addresses, places, strict=True)
    ]
    with database.writing() as connection:
        connection.execute(insert(tables.hosts), [{**seen, "address": address} for address in addresses])
        connection.execute(insert(tables.locations), [{**row, "fetched_at": NOW} for row in rows])
        recount(connection)
    return addresses


def connect(database: Database, *ends: tuple[str, str], age: float = 60.0) -> None:
    """Store connections between ends."""
    at = time.time() - age
    row = {"source_id": 1, "observed_at": at, "arrived_at": at, "dst_port": 443, "protocol": "tcp"}
    with database.writing() as connection:
        connection.execute(insert(tables.observations), [{**row, "src_ip": one, "dst_ip": two} for one, two in ends])


@pytest.fixture
def own(home: Path) -> own_networks.OwnNetworks:
    """Two sites, of which one has a place."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "networks.toml").write_text(NETWORKS)
    return own_networks.load(home)


def test_hosts_near_each_other_are_one_cluster(database: Database) -> None:
    """Far out, Berlin and Paris may be one; near by, they are two, each with its hosts, country and city. Those that are
    located to a country only are in none.
    """
    locate(database, BERLIN, BERLIN, BERLIN, PARIS, NELSON, (None, None, "AQ", ""), (None, None, None, ""))
    with database.reading() as connection:
        far = map_cells.clusters(connection, Box(), 512)
        near = map_cells.clusters(connection, Box(south=40, west=-5, north=60, east=20), 1)
        countries = map_cells.countries(connection)
        assert map_cells.unplaced(connection) == 1
    assert sorted(each.hosts for each in far.clusters) == [1, 4]
    assert dict(far.clusters[0].countries) == {"DE": 3, "FR": 1}
    assert far.clusters[0].city is None
    assert far.hosts == 5
    assert [(each.hosts, each.countries, each.city) for each in near.clusters] == [
        (3, [("DE", 3)], "Berlin"),
        (1, [("FR", 1)], "Paris"),
    ]
    berlin = near.clusters[0]
    assert (berlin.latitude, berlin.longitude) == (52.52, 13.4)
    assert berlin.box.south <= 52.52 <= berlin.box.north
    assert berlin.box.west <= 13.4 <= berlin.box.east
    assert countries["DE"] == (3, pytest.approx(52.52), pytest.approx(13.40))
    assert countries["AQ"] == (1, None, None)


def test_kept_cells_are_what_counting_would_find(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many steps it takes, also of a second round after hosts have moved; an unfinished round is not shown.
    Break: take no care of the round in map_cells._cells.
    """
    monkeypatch.setattr(map_cells, "_HOSTS_AT_ONCE", 7)
    monkeypatch.setattr(map_cells, "_CELLS_AT_ONCE", 3)
    edges = [(90.0, 180.0, "AQ", ""), (-90.0, -180.0, "AQ", "")]
    spread = [
        ((n * 37) % 160 - 80.0, (n * 91) % 350 - 175.0, "DE" if n % 3 else None, f"city {n % 4}") for n in range(40)
    ]
    locate(database, *spread, *edges, (None, None, "AQ", ""))
    box = Box(south=-45, west=-100, north=70, east=100)

    def shown() -> tuple[Any, ...]:
        with database.reading() as connection:
            places = [map_cells.clusters(connection, part, width) for part in (Box(), box) for width in (1, 64)]
            return [(each.clusters, each.hosts) for each in places], map_cells.countries(connection)

    exact = shown()
    monkeypatch.setattr(map_cells, "COUNTED_AT_ONCE", 0)
    with database.reading() as connection:
        assert not map_cells.clusters(connection, Box(), 1).is_counted
    counting, steps = MapCells(), 1
    while counting.refresh(database, 0.0):
        steps += 1
        with database.reading() as connection:
            assert not map_cells.clusters(connection, Box(), 1).hosts
    assert steps > 10
    kept = shown()
    assert set(kept[1]) == set(exact[1])
    assert all(kept[1][code] == pytest.approx(exact[1][code]) for code in kept[1])
    for (clusters, number), (others, other) in zip(kept[0], exact[0], strict=True):
        assert number == other
        assert sorted(each.hosts for each in clusters) == sorted(each.hosts for each in others)
    locate(database, *[BERLIN] * 9, first=1000)
    again = MapCells()
    monkeypatch.setattr(again, "_age", lambda _database: None)
    while again.refresh(database, 0.0):
        pass
    with database.reading() as connection:
        assert map_cells.clusters(connection, Box(), 1).hosts == exact[0][0][1] + 9
        rounds = connection.execute(tables.map_cells.select().with_only_columns(tables.map_cells.c.round).distinct())
        assert len(rounds.all()) == 1


def test_flows_are_counted_once(database: Database, own: own_networks.OwnNetworks) -> None:
    """By the site at either end and the country of the other, each connection once, also when two count at a time; what
    is new is counted later. Break: move the cursor in flows._add whatever it was.
    """
    berlin, paris, unknown = *locate(database, BERLIN, PARIS), "9.9.9.9"
    connect(database, ("192.168.1.2", berlin), ("192.168.1.3", berlin), (paris, "10.1.1.1"), ("172.16.0.1", unknown))
    connect(database, ("192.168.1.2", "10.0.0.1"), (paris, "172.16.0.1"))
    assert flows.keep_up(database, own) == 6
    assert flows.keep_up(database, own) == 0
    now = time.time()
    with database.reading() as connection:
        found = flows.largest(connection, "hour", now - HOUR, now, 10)
        days = flows.largest(connection, "day", now - HOUR, now, 10)
    counted = {(each.site, each.country): each.connections for each in found}
    assert counted == {
        ("office", "DE"): 2, ("lab", "FR"): 1, ("", "??"): 1, ("office", "--"): 1, ("", "FR"): 1,
    }  # fmt: skip
    assert {(each.site, each.country): each.connections for each in days} == counted
    with database.writing() as connection:
        flows._add(connection, 0, 3, flows.Counter({(0, "office", "DE"): 1}))
    connect(database, ("192.168.1.2", berlin))
    connect(database, ("192.168.1.2", berlin), age=0.0)
    assert flows.keep_up(database, own) == 1, "the newest waits for its location"
    with database.reading() as connection:
        assert flows.largest(connection, "hour", now - HOUR, now, 1)[0].connections == 3


def test_the_routes_answer(
    database: Database, live_settings: Settings, serving: Serving, own: own_networks.OwnNetworks
) -> None:
    """/api/map, /api/traffic and /api/overview have what was counted; what cannot be asked is refused with the reason."""
    berlin, *_ = locate(database, BERLIN, BERLIN, PARIS)
    connect(database, ("192.168.1.2", berlin), ("192.168.1.2", berlin))
    flows.keep_up(database, own)
    with database.writing() as connection:
        traffic_counts.add(connection, NOW - 60, {"tcp": 5, "udp": 1})
        row = {"kind": "port opened", "recorded_at": NOW - 60, "observed_at": NOW - 60, "address": berlin, "port": 22}
        connection.execute(insert(tables.changes).values(**row, protocol="tcp", source_id=1))
        finding = {"address": berlin, "rule": "risky_port", "subject": "tcp/22", "points": 0.3, "source": "scan"}
        more = {"observed_at": NOW, "detail": "tcp/22 is open", "rule_version": "1"}
        connection.execute(insert(tables.findings).values(**finding, **more))
        connection.execute(insert(tables.scores).values(address=berlin, score=0.3, rule_version="1", scored_at=NOW))
    with serving(live_settings) as url:
        world = get(f"{url}/api/map?zoom=6").json()
        part = get(f"{url}/api/map?zoom=6&south=50&north=55&west=10&east=20").json()
        minutes = get(f"{url}/api/traffic?span=minute&since={NOW - HOUR}").json()
        by_country = get(f"{url}/api/traffic?by=country").json()
        overview = get(f"{url}/api/overview?hours=1").json()
        refused = [
            get(f"{url}/api/{path}").status_code
            for path in (
                "map?south=2&north=1",
                "traffic?span=minute&since=0",
                "traffic?span=minute&by=site",
                "map?zoom=7",
            )
        ]
    assert sorted((each["hosts"], each["city"]) for each in world["clusters"]) == [(1, "Paris"), (2, "Berlin")]
    assert world["is_counted"]
    assert {each["name"]: each["latitude"] for each in world["sites"]} == {"office": 51.0, "lab": None}
    assert [(each["site"], each["country"], each["connections"], each["latitude"]) for each in world["flows"]] == [
        ("office", "DE", 2, pytest.approx(52.52))
    ]
    assert [each["hosts"] for each in part["clusters"]] == [2]
    assert minutes["by"] == {"tcp": 5, "udp": 1}
    assert minutes["spans"][0]["connections"] == 6
    assert by_country["by"] == {"DE": 2}
    assert overview["countries"]["items"] == [
        {"country": "DE", "hosts": 2, "connections": 2},
        {"country": "FR", "hosts": 1, "connections": 0},
    ]
    assert [(each["address"], each["reasons"][0]["detail"]) for each in overview["riskiest"]] == [
        (berlin, "tcp/22 is open")
    ]
    assert (overview["changes"]["total"], overview["changes"]["exact"]) == (1, True)
    assert overview["changes"]["newest"][0]["text"] == "port 22/tcp is open now"
    assert refused == [422, 422, 422, 422]


def test_connections_of_a_country_are_of_all_its_sites(database: Database, home: Path) -> None:
    """However many sites there are, each is counted. Break: a limit in flows.by_country."""
    row = {"country_code": "DE", "connections": 2, "start": int(NOW // HOUR * HOUR), "span": "hour"}
    locate(database, BERLIN)
    with database.writing() as connection:
        connection.execute(insert(tables.flow_counts), [{**row, "site": f"site {n}"} for n in range(1200)])
    assert overview.short_lists(database, home, 1)["countries"]["items"] == [
        {"country": "DE", "hosts": 1, "connections": 2400}
    ]
    history = overview.traffic(database, "hour", NOW - HOUR, NOW, "country")
    assert [each.values for each in history.spans if isinstance(each, overview.FlowSpan)] == [{"DE": 2400}]
    assert history.by == {"DE": 2400}


def test_no_answer_walks_through_hosts_or_connections(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a large ledger, the map, the flows and the traffic are read from their kept counts, and changes by their time.
    Break: COUNTED_AT_ONCE of a million.
    """
    monkeypatch.setattr(map_cells, "COUNTED_AT_ONCE", 0)
    locate(database, *[BERLIN, PARIS] * 50)
    counting = MapCells()
    while counting.refresh(database, 0.0):
        pass
    row = {
        "kind": "port opened",
        "observed_at": NOW,
        "address": "8.0.0.1",
        "port": 22,
        "protocol": "tcp",
        "source_id": 1,
    }
    with database.writing() as connection:
        connection.execute(insert(tables.changes), [{**row, "recorded_at": NOW - 9 * n} for n in range(5000)])
        connection.exec_driver_sql("ANALYZE")
    with plans(database) as found, database.reading() as connection:
        map_cells.clusters(connection, Box(), 1)
        map_cells.countries(connection)
        flows.largest(connection, "hour", NOW - HOUR, NOW, 10)
        list(flows.over_time(connection, "country", "hour", NOW - HOUR, NOW))
        flows.by_country(connection, "hour", NOW - HOUR, NOW)
        traffic_counts.find(connection, "minute", NOW - HOUR, NOW)
        changes.kinds_since(connection, NOW, 100)
    assert len(found) >= 6
    walks = re.compile(r"(SCAN|Seq Scan on) (hosts|locations|observations|changes)\b")
    assert not [plan for plan in found if walks.search(plan)]


def test_old_counts_of_short_spans_go(database: Database) -> None:
    """Minutes go after two days and the hours of flows after a month; the rest stays."""
    old = NOW - 40 * 24 * HOUR
    with database.writing() as connection:
        traffic_counts.add(connection, old, {"tcp": 1})
        row = {"site": "", "country_code": "DE", "connections": 1, "start": int(old)}
        connection.execute(insert(tables.flow_counts), [{**row, "span": span} for span in ("hour", "day")])
        traffic_counts.expire(connection)
        flows.expire(connection)
        assert not traffic_counts.find(connection, "minute", 0)
        assert traffic_counts.find(connection, "hour", 0)
        assert flows.largest(connection, "day", 0, NOW, 1)
        assert not flows.largest(connection, "hour", 0, NOW, 1)


def test_a_stream_sends_what_changed(
    sqlite_settings: Settings, serving: Serving, fill: Callable[[Database], None]
) -> None:
    """Once the whole, then less than 2 kB a second; two streams get the same changes, which lead to the same document.

    Break: send latest.whole() again and again.
    """
    database = Database(sqlite_settings.database_url)
    fill(database)
    with serving(sqlite_settings) as url:
        answers = [requests.get(f"{url}/api/stream?changes=true", stream=True, timeout=PATIENCE) for _ in range(2)]
        streams = [events(answer) for answer in answers]
        documents, sizes = [], []
        for stream in streams:
            name, document = next(stream)
            assert name == "data"
            assert document["connections"] == []
            assert document["status"]["hosts"] == 4
            documents.append(document)
        connect(database, ("192.168.1.2", "198.51.100.7"), age=0.0)
        while documents[0]["status"]["ledger"] != documents[1]["status"]["ledger"] or len(sizes) < 6:
            for place, stream in enumerate(streams):
                name, found = next(stream)
                documents[place] = found if name == "data" else applied(documents[place], found)
                sizes.append((name, len(str(found))))
        for answer in answers:
            answer.close()
    database.dispose()
    assert {name for name, _ in sizes} == {"change"}
    assert max(size for _, size in sizes) < 2 * 2000
    assert documents[0].keys() == documents[1].keys()


def events(answer: requests.Response) -> Iterator[tuple[str, Any]]:
    """Yield the name and the document of each event."""
    name = ""
    for line in answer.iter_lines():
        if line.startswith(b"event: "):
            name = line[7:].decode()
        elif line.startswith(b"data: "):
            yield name, json.loads(line[6:])
