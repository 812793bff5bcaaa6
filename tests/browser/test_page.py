"""The page, in a real browser, on a real server and a real ledger."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, update

from cobalt_tasks.core.records import Banner, Facts, Hostname, Location, NewJob
from cobalt_tasks.db import tables as models
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts import facts
from cobalt_tasks.jobs import creation
from cobalt_tasks.threat import store
from cobalt_tasks.threat.findings import Finding
from cobalt_tasks.threat.rules import score

HOSTILE = '<img src=x onerror="window.owned=1"><script>window.owned=1</script>\'"javascript:window.owned=1'


def connect(ledger: Database, addresses: list[str], process: str = "curl") -> None:
    """Write connections that arrive now."""
    now = time.time()
    common = {"source_id": 1, "observed_at": now, "arrived_at": now, "src_ip": "192.168.1.2", "protocol": "tcp"}
    with ledger.writing() as connection:
        rows = [{**common, "src_port": 40000, "dst_ip": a, "dst_port": 443, "process": process} for a in addresses]
        connection.execute(insert(models.observations), rows)
        hosts = [
            {"address": a, "first_seen": now, "last_seen": now, "discovered": False} for a in dict.fromkeys(addresses)
        ]
        connection.execute(insert(models.hosts), hosts)


def speak_against(
    ledger: Database, address: str, *findings: tuple[str, str, float], source: str = "scan", version: str = "v1"
) -> None:
    """Write evidence (rule, detail, points) against a host, and the score it adds up to, as the sweep does."""
    now = time.time()
    found = [
        Finding(
            address=address, rule=rule, subject=detail, points=points, source=source, observed_at=now, detail=detail
        )
        for rule, detail, points in findings
    ]
    with ledger.writing() as connection:
        store.add(connection, found, version)
        store.write_scores(connection, {address: score(found)}, version)


def place(ledger: Database, address: str, code: str, latitude: float, longitude: float) -> None:
    """Write where a host is."""
    at = Location(
        address=address, provider="mmdb", fetched_at=1.0, country_code=code, latitude=latitude, longitude=longitude
    )
    with ledger.writing() as connection:
        facts.write(connection, Facts(locations=[at]))


@pytest.fixture
def risky(ledger: Database) -> dict[str, float]:
    """Three hosts with connections: much speaks against the first, little against the second, nothing against the third.

    It is there before the page is opened, since zones are kept for a while. Returns the scores.
    """
    much, little, nothing = "198.51.100.7", "198.51.100.8", "198.51.100.9"
    connect(ledger, [much, much, little, nothing])
    place(ledger, much, "NL", 52.37, 4.89)
    place(ledger, little, "NZ", -36.84, 174.76)
    place(ledger, nothing, "JP", 35.69, 139.69)
    ports = [("risky_port", "tcp/22 is open", 0.3), ("risky_port", "tcp/23 is open", 0.3)]
    speak_against(ledger, much, *ports, ("blocklist", "is listed by Example DROP", 0.3125))
    speak_against(ledger, little, ("self_signed_certificate", "the certificate at tcp/443 is signed by itself", 0.1))
    speak_against(ledger, nothing)
    return {much: 0.6125, little: 0.1, nothing: 0.0}


@pytest.fixture
def poisoned(ledger: Database) -> str:
    """A host of which everything is hostile, with a connection; its address."""
    address = "198.51.100.7"
    poison(ledger, address)
    connect(ledger, [address], process=HOSTILE)
    speak_against(ledger, address, (HOSTILE, HOSTILE, 0.7), source=HOSTILE, version=HOSTILE)
    return address


def poison(ledger: Database, address: str) -> None:
    """Let everything that others choose be hostile: names, organisation, place, banner, source, reject, process."""
    now = time.time()
    known = Facts(
        hostnames=[Hostname(address=address, name=HOSTILE, source="ptr", observed_at=now, confirmed=True)],
        locations=[
            Location(
                address=address, provider="mmdb", fetched_at=now, country_code=HOSTILE, country_name=HOSTILE, city=HOSTILE,
                organisation=HOSTILE, isp=HOSTILE, latitude=1.0, longitude=2.0,
            ),
        ],
        banners=[
            Banner(
                address=address, protocol="tcp", port=80, source="probe", observed_at=now, text=HOSTILE, raw=b"x",
                service=HOSTILE, product=HOSTILE,
            ),
        ],
    )  # fmt: skip
    source = {"name": HOSTILE, "read": 1, "rejected": 1, "created_at": now, "updated_at": now}
    with ledger.writing() as connection:
        facts.write(connection, known)
        source_id = connection.execute(
            insert(models.sources).values(source).returning(models.sources.c.id)
        ).scalar_one()
        reject = {"source_id": source_id, "position": 0, "reason": HOSTILE, "line": b"", "arrived_at": now}
        connection.execute(insert(models.rejects), [reject])


def test_connections_appear_while_one_watches(page: Any, ledger: Database) -> None:
    """An empty ledger says No Data; connections that arrive are shown, counted beyond the list, and Live."""
    page.wait_for("document.querySelector('#age').textContent === 'No Data'")
    page.wait_for("!document.querySelector('#connections-empty').hidden")
    connect(ledger, [f"198.51.100.{n}" for n in range(250)])
    page.wait_for("document.querySelectorAll('#connection-rows tr').length === 50")
    page.wait_for("document.querySelector('[data-figure=recent]').textContent === '250'")
    page.shows("#age", "Live")
    page.shows("#link", "streaming")
    page.shows("#connections-note", "250 in the last minute, the latest 50 shown")
    page.shows("#connection-rows tr", "198.51.100.249")
    assert page.evaluate("document.querySelector('#zones-panel').hidden")
    assert page.evaluate("document.querySelector('#zones').children.length") == 0
    page.show("/hosts")
    page.wait_for("document.querySelectorAll('#host-rows tr').length === 100")
    assert page.messages == []


def test_hostile_text_is_shown_and_runs_nothing(poisoned: str, page: Any) -> None:
    """Names, banners, evidence, countries, as hostile as they can be, are text in every view; so is a query.

    Invariant 9 of docs/architecture.md. Break: `textContent` in static/dom.js.
    """
    views = {
        "/": ("#connection-rows", "#zone-rows"),
        "/sources": ("#source-rows",),
        "/sources?rejects=all": ("#reject-rows",),
        "/findings": ("#finding-rows", "#rule-rows"),
        "/connections": ("#connection-rows",),
        "/hosts": ("#host-rows",),
    }
    for path, selectors in views.items():
        page.show(path)
        for selector in selectors:
            page.wait_for(f"document.querySelector('{selector}')?.textContent.includes({json.dumps(HOSTILE)})")
        if path == "/":
            assert HOSTILE in page.evaluate("document.querySelector('#zones title').textContent")
        assert page.evaluate("document.querySelectorAll('main img, main script').length") == 0
    page.evaluate("document.querySelector('#host-rows a').click()")
    page.wait_for("!!document.querySelector('.evidence li')")
    assert page.text("#host-title") == poisoned
    assert page.text(".evidence li").count(HOSTILE) == 4, "rule, detail, source and version of the rules"
    page.evaluate(f"history.pushState({{}}, '', '/hosts?' + new URLSearchParams({{ q: {json.dumps(HOSTILE)} }}))")
    page.evaluate("location.reload()")
    page.wait_for(f"document.querySelector('#host-filter [name=q]')?.value === {json.dumps(HOSTILE)}")
    page.wait_for("document.querySelector('.query-error')?.hidden === false")
    assert page.evaluate("window.owned") is None
    assert page.evaluate("document.querySelectorAll('main img, main script').length") == 0
    page.messages = [each for each in page.messages if "422" not in each]
    assert page.messages == []


RISKS = """Object.fromEntries([...document.querySelectorAll('#host-rows tr')].map(
    (row) => [row.children[0].innerText, row.children[1].innerText]))"""


def test_risk_is_shown_and_explained(risky: dict[str, float], page: Any) -> None:
    """Lists show each host's score, and can begin with the riskiest; a host's evidence adds up to the score it has."""
    page.wait_for("document.querySelectorAll('#connection-rows tr').length === 4")
    shown = page.evaluate("[...document.querySelectorAll('#connection-rows .risk')].map((cell) => cell.innerText)")
    assert shown == ["0", "0.10", "0.6125", "0.6125"]
    page.show("/hosts")
    page.wait_for("document.querySelectorAll('#host-rows tr').length === 3")
    expected = {"198.51.100.7": "0.6125", "198.51.100.8": "0.10", "198.51.100.9": "0"}
    assert page.evaluate(RISKS) == expected
    page.evaluate("document.querySelector('th a[href*=\"sort=score\"]').click()")
    page.wait_for("document.querySelectorAll('#host-rows tr').length === 2")
    assert list(page.evaluate(RISKS)) == ["198.51.100.7", "198.51.100.8"]
    page.evaluate("document.querySelector('#host-rows a').click()")
    page.wait_for("!!document.querySelector('.evidence li')")
    figures = page.evaluate("[...document.querySelectorAll('.evidence .figure')].map((figure) => figure.innerText)")
    assert figures == ["+0.3125", "+0.30", "0", "0.6125"]
    assert sum(map(float, figures[:-1])) == pytest.approx(risky["198.51.100.7"])
    assert page.text("#host-body .badge") == "0.6125"
    first, second = (page.text(f".evidence li:nth-child({number})") for number in (1, 2))
    assert first.split("\n\n")[:2] == ["+0.3125", "Blocklist: is listed by Example DROP"]
    for words in ("Port that is often attacked: tcp/22 is open", "from scan", "seen ", "rules v1"):
        assert words in second
    page.shows(".evidence li:nth-child(3)", "0.30 by itself")
    page.shows(".evidence .sum", "A rule counts once")
    assert page.messages == []


def test_nothing_against_a_host_is_said(risky: dict[str, float], page: Any, ledger: Database) -> None:
    """A host that nothing speaks against says so, and so does one that was not scored yet; so does a list of none."""
    connect(ledger, ["198.51.100.10"])
    page.show("/hosts")
    page.wait_for("document.querySelectorAll('#host-rows tr').length === 4")
    assert page.evaluate(RISKS)["198.51.100.10"] == "–"
    for row, said in (("198.51.100.10", "Not scored yet."), ("198.51.100.9", "No evidence was found")):
        page.show(f"/hosts/{row}")
        page.wait_for(f"document.querySelector('#host-body')?.innerText.includes('{said}')")
        assert page.text("#host-title") == row
        page.shows("#host-body", "no blocklist is configured")
        assert page.text(".evidence") == ""
    page.show("/hosts?q=country%3AJP&sort=score")
    page.wait_for("document.querySelector('#host-empty')?.hidden === false")
    assert page.text("#host-empty") == "No host matches."


def test_a_large_host_says_how_much_is_not_shown(page: Any, ledger: Database) -> None:
    """Of 250 ports a hundred are shown; the heading says so, and a button shows the rest."""
    connect(ledger, ["198.51.100.10"])
    seen = {"address": "198.51.100.10", "protocol": "tcp", "first_seen": 1.0, "last_seen": 1.0}
    with ledger.writing() as connection:
        connection.execute(insert(models.ports), [{**seen, "port": number} for number in range(250)])
    page.show("/hosts/198.51.100.10")
    page.wait_for("document.querySelector('#ports')?.innerText === 'Ports (100 of 250)'")
    for shown in ("Ports (200 of 250)", "Ports (250)"):
        page.evaluate("document.querySelector('#ports ~ .more-rows button').click()")
        page.wait_for(f"document.querySelector('#ports').innerText === '{shown}'")
    rows = "document.querySelectorAll('#ports + .scroll tbody tr')"
    assert page.evaluate(f"{rows}.length") == 250
    assert page.evaluate(f"{rows}[249].innerText").startswith("249/tcp")
    assert page.evaluate("document.querySelector('#ports ~ .more-rows button').hidden")


CONTRAST = """(selector, property) => {
    const light = (colour) => {
        const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map((part) => {
            const value = part / 255;
            return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
    };
    const [one, other] = [
        light(getComputedStyle(document.querySelector(selector))[property]),
        light(getComputedStyle(document.querySelector('.panel')).backgroundColor),
    ];
    return Math.max(one, other) / Math.min(one, other);
}"""


def test_threat_zones_on_the_map_and_in_a_list(risky: dict[str, float], page: Any) -> None:
    """Each zone is a ring, heavier where the score is higher, with the score beside it, and a row of the list.

    At any width and on either ground it can be read: ten pixels high, in a colour that contrasts (WCAG 2, 1.4.3).
    """
    page.wait_for("document.querySelectorAll('#zone-rows tr').length === 2")
    rows = page.evaluate(
        "[...document.querySelectorAll('#zone-rows tr')].map((row) => [...row.children].map((cell) => cell.innerText))"
    )
    assert rows == [
        ["Netherlands", "0.61", "2", "52.4°N 4.9°E, 50 km"],
        ["New Zealand", "0.10", "1", "36.8°S 174.8°E, 50 km"],
    ]
    note = "3 hosts, 2 threat zones (rings, with their risk)"
    page.wait_for(f"document.querySelector('#map-note').innerText === '{note}'")
    for width, dark in ((1200, False), (1200, True), (360, True)):
        page.resize(width, 800, dark=dark)
        page.wait_for("document.querySelector('#zones text').getBoundingClientRect().height >= 10")
        labels = page.evaluate("[...document.querySelectorAll('#zones text')].map((label) => label.textContent)")
        assert labels == ["0.61", "0.10"]
        for selector, part in (("#zones text", "fill"), (".risk.bad", "color"), (".risk.fair", "color")):
            assert page.evaluate(f"({CONTRAST})('{selector}', '{part}')") >= 4.5
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        places = page.evaluate(
            "[...document.querySelectorAll('#zones text')].map((label) => label.getBoundingClientRect().right)"
        )
        assert max(places) <= page.evaluate("document.querySelector('#map').getBoundingClientRect().right")
    heavy, light = page.evaluate(
        "[...document.querySelectorAll('#zones circle')].map((ring) => +getComputedStyle(ring).strokeWidth.replace('px', ''))"
    )
    assert heavy > light
    assert page.evaluate(
        "[...document.querySelectorAll('#zones circle')].every((ring) => ring.getBoundingClientRect().width >= 15)"
    )
    assert page.messages == []


def test_server_gone_is_said_and_forgiven(page: Any, ledger: Database, dashboard: Any) -> None:
    """When the server stops, the page says so and keeps what it has; when it is back, the page goes on by itself."""
    connect(ledger, ["198.51.100.7"])
    page.wait_for("document.querySelectorAll('#connection-rows tr').length === 1")
    assert dashboard.stop() == 0
    page.wait_for("!document.querySelector('#trouble').hidden")
    page.shows("#trouble", "does not answer")
    page.shows("#trouble", "no longer kept up to date")
    assert page.text("#overall") == "health unknown"
    page.shows("#connection-rows", "198.51.100.7")
    page.shows("#trouble", "(since ")
    dashboard.start()
    page.wait_for("document.querySelector('#trouble').hidden")
    assert page.text("#link") in {"streaming", "polling"}


def test_phone_dark_and_docs(page: Any, ledger: Database, dashboard: Any, tmp_path: Path) -> None:
    """At a phone's width nothing is cut off sideways; dark is dark; /docs lists every route and loads nothing from elsewhere."""
    connect(ledger, [f"2001:db8:aaaa:bbbb:cccc:dddd:eeee:{n:x}" for n in range(20)])
    page.wait_for("document.querySelectorAll('#connection-rows tr').length === 20")
    page.resize(360, 800)
    for link in ("/hosts", "/changes", "/system", "/"):
        page.show(link)
        page.wait_for("!document.querySelector('[aria-busy]')")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, link
    page.resize(1200, 800, dark=True)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(12, 17, 29)"
    page.screenshot(tmp_path / "page.png")
    assert (tmp_path / "page.png").stat().st_size > 10_000
    page.go(f"{dashboard.url}docs")
    page.wait_for("document.querySelectorAll('article').length >= 9")
    shown = page.text("#operations")
    for path in ("/api/data", "/api/hosts/{ip}", "/api/stream", "/metrics"):
        assert path in shown
    assert "last_seen | score" in shown
    loaded = page.evaluate("performance.getEntriesByType('resource').map((entry) => new URL(entry.name).host)")
    assert set(loaded) == {dashboard.url.split("/")[2]}
    assert page.messages == []


def test_what_is_wrong_is_said_and_queues_are_judged_by_minutes(page: Any, ledger: Database) -> None:
    """No Redis: the page says so beside the health. 60 jobs a moment old are normal, one that is two hours late is not.

    Break: `reasons` in showHealth; words.behind.
    """
    with ledger.writing() as connection:
        creation.create(connection, [NewJob(kind="domain", address=f"192.0.2.{n}") for n in range(60)])
        creation.create(connection, [NewJob(kind="banner", address="192.0.2.1", protocol="tcp", port=22)])
        late = update(models.jobs).where(models.jobs.c.kind == "banner").values(not_before=time.time() - 7200)
        connection.execute(late)
    page.show("/system")
    page.wait_for("document.querySelector('#reasons')?.innerText.includes('Redis does not answer')")
    levels = "Object.fromEntries([...document.querySelectorAll('#queues li')].map(q => [q.dataset.key, q.querySelector('.badge').innerText]))"
    page.wait_for(f"(({levels}).domain ?? '') === 'normal'")
    found = page.evaluate(levels)
    assert (found["domain"], found["banner"], found["certificate"]) == ("normal", "overloaded", "good")
    page.shows("#queues", "2 h behind")
