"""The page, in a real browser, on a real server and a real ledger."""

import json
import re
import signal
import time

import pytest
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import insert, update

from cobalt_tasks.core.records import Banner, Facts, Hostname, Location, NewJob
from cobalt_tasks.db import tables as models
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts import facts
from cobalt_tasks.jobs import creation
from cobalt_tasks.threat import store
from cobalt_tasks.threat.findings import Finding
from cobalt_tasks.threat.rules import score
from tests.browser.conftest import Dashboard
from tests.support.browser import Watch, open_view, width_needed
from tests.support.waiting import wait_until

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
    """Let all that others choose be hostile: names, organisation, place, banner, certificate, source, reject, process."""
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
    certificate = {
        "fingerprint": "00", "der": b"", "subject": HOSTILE, "issuer": HOSTILE, "serial": "1", "not_before": now,
        "not_after": now + 86400, "self_signed": False, "names": json.dumps([HOSTILE]),
    }  # fmt: skip
    sighting = {
        "address": address, "protocol": "tcp", "port": 443, "fingerprint": "00", "source": "probe", "first_seen": now,
        "last_seen": now,
    }  # fmt: skip
    source = {"name": HOSTILE, "read": 1, "rejected": 1, "created_at": now, "updated_at": now}
    with ledger.writing() as connection:
        facts.write(connection, known)
        source_id = connection.execute(
            insert(models.sources).values(source).returning(models.sources.c.id)
        ).scalar_one()
        reject = {"source_id": source_id, "position": 0, "reason": HOSTILE, "line": b"", "arrived_at": now}
        connection.execute(insert(models.rejects), [reject])
        connection.execute(insert(models.certificates), [certificate])
        connection.execute(insert(models.sightings), [sighting])


def test_connections_appear_while_one_watches(page: Page, ledger: Database) -> None:
    """An empty ledger says No Data; connections that arrive are shown, counted beyond the list, and Live."""
    expect(page.locator("#age")).to_have_text("No Data")
    expect(page.locator("#connections-empty")).to_be_visible()
    connect(ledger, [f"198.51.100.{n}" for n in range(250)])
    expect(page.locator("#connection-rows tr")).to_have_count(50)
    expect(page.locator("[data-figure=recent]")).to_have_text("250")
    expect(page.locator("#age")).to_contain_text("Live")
    expect(page.locator("#link")).to_contain_text("streaming")
    expect(page.locator("#connections-note")).to_contain_text("250 in the last minute, the latest 50 shown")
    expect(page.locator("#connection-rows tr").first).to_contain_text("198.51.100.249")
    expect(page.locator("#zones-panel")).to_be_hidden()
    expect(page.locator("#zones > *")).to_have_count(0)
    open_view(page, "Hosts")
    expect(page.locator("#host-rows tr")).to_have_count(100)


def test_hostile_text_is_shown_and_runs_nothing(poisoned: str, page: Page, watch: Watch) -> None:
    """Names, banners, evidence, countries, as hostile as they can be, are text in every view; so is a query.

    Invariant 9 of docs/architecture.md. Break: `textContent` in static/dom.js.
    """
    views = {
        "Overview": ("#connection-rows", "#zone-rows", "#zones title", "[data-list=riskiest]"),
        "Sources": ("#source-rows",),
        "Findings": ("#finding-rows", "#rule-rows"),
        "Connections": ("#connection-rows",),
        "Certificates": ("#certificate-rows",),
        "Hosts": ("#host-rows", ".facets"),
    }

    def expect_text_alone(*selectors: str) -> None:
        for selector in selectors:
            expect(page.locator(selector).filter(has_text=HOSTILE).first).to_be_attached()
        expect(page.locator("main img, main script")).to_have_count(0)

    for view, selectors in views.items():
        open_view(page, view)
        expect_text_alone(*selectors)
    page.locator("#host-rows a").first.click()
    expect(page.locator("#host-title")).to_have_text(poisoned)
    expect_text_alone(*(f"#{each} + .scroll" for each in ("banners", "names", "certificates", "connections")))
    expect_text_alone("#host-body dl", "#host-body .evidence")
    evidence = page.locator(".evidence li").first.inner_text()
    assert evidence.count(HOSTILE) == 4, "rule, detail, source and version of the rules"
    page.goto("/sources?rejects=all")
    expect_text_alone("#reject-rows")
    watch.expect("422")
    open_view(page, "Hosts")
    box = page.get_by_role("combobox", name="Search")
    box.press_sequentially(HOSTILE)
    box.press("Enter")
    expect(page.locator(".query-error")).to_be_visible()
    expect_text_alone(".query-error")
    page.reload()
    expect(box).to_have_value(HOSTILE)
    expect(page.locator(".query-error")).to_be_visible()
    assert HOSTILE in page.title()
    expect_text_alone(".query-error")
    assert page.evaluate("window.owned") is None


def scores(page: Page) -> dict[str, str]:
    """Return the score that each row of the hosts shows."""
    rows = page.locator("#host-rows")
    return dict(zip(rows.locator("th").all_inner_texts(), rows.locator(".risk").all_inner_texts(), strict=True))


def test_risk_is_shown_and_explained(risky: dict[str, float], page: Page) -> None:
    """Lists show each host's score, and can begin with the riskiest; a host's evidence adds up to the score it has."""
    expect(page.locator("#connection-rows .risk")).to_have_text(["0", "0.10", "0.6125", "0.6125"])
    open_view(page, "Hosts")
    rows = page.locator("#host-rows tr")
    expect(rows).to_have_count(3)
    assert scores(page) == {"198.51.100.7": "0.6125", "198.51.100.8": "0.10", "198.51.100.9": "0"}
    page.locator("thead").get_by_role("link", name="Score").click()
    expect(rows).to_have_count(2)
    assert list(scores(page)) == ["198.51.100.7", "198.51.100.8"]
    rows.first.get_by_role("link").first.click()
    evidence = page.locator(".evidence li")
    expect(page.locator(".evidence .figure")).to_have_text(["+0.3125", "+0.30", "0", "0.6125"])
    figures = page.locator(".evidence .figure").all_inner_texts()
    assert sum(map(float, figures[:-1])) == pytest.approx(risky["198.51.100.7"])
    expect(page.locator("#host-body .badge").first).to_have_text("0.6125")
    assert evidence.first.inner_text().split("\n\n")[:2] == ["+0.3125", "Blocklist: is listed by Example DROP"]
    for words in ("Port that is often attacked: tcp/22 is open", "from scan", "seen ", "rules v1"):
        expect(evidence.nth(1)).to_contain_text(words)
    expect(evidence.nth(2)).to_contain_text("0.30 by itself")
    expect(page.locator(".evidence .sum")).to_contain_text("A rule counts once")


def test_nothing_against_a_host_is_said(risky: dict[str, float], page: Page, ledger: Database) -> None:
    """A host that nothing speaks against says so, and so does one that was not scored yet; so does a list of none."""
    connect(ledger, ["198.51.100.10"])
    for address, said in (("198.51.100.10", "Not scored yet."), ("198.51.100.9", "No evidence was found")):
        open_view(page, "Hosts")
        expect(page.locator("#host-rows tr")).to_have_count(4)
        assert scores(page)["198.51.100.10"] == "–"
        page.get_by_role("link", name=address, exact=True).click()
        expect(page.locator("#host-title")).to_have_text(address)
        expect(page.locator("#host-body")).to_contain_text(said)
        expect(page.locator("#host-body")).to_contain_text("no blocklist is configured")
        expect(page.locator(".evidence")).to_have_count(0)
    page.goto("/hosts?q=country%3AJP&sort=score")
    expect(page.locator("#host-empty")).to_have_text("No host matches.")


def test_a_large_host_says_how_much_is_not_shown(page: Page, ledger: Database) -> None:
    """Of 250 ports a hundred are shown; the heading says so, and a button shows the rest."""
    connect(ledger, ["198.51.100.10"])
    seen = {"address": "198.51.100.10", "protocol": "tcp", "first_seen": 1.0, "last_seen": 1.0}
    with ledger.writing() as connection:
        connection.execute(insert(models.ports), [{**seen, "port": number} for number in range(250)])
    page.goto("/hosts/198.51.100.10")
    more = page.locator("#ports ~ .more-rows").first.get_by_role("button", name="Show more")
    expect(page.locator("#ports")).to_have_text("Ports (100 of 250)")
    for shown in ("Ports (200 of 250)", "Ports (250)"):
        more.click()
        expect(page.locator("#ports")).to_have_text(shown)
    rows = page.locator("#ports + .scroll tbody tr")
    expect(rows).to_have_count(250)
    expect(rows.nth(249)).to_contain_text("249/tcp")
    expect(page.locator("#ports ~ .more-rows button").first).to_be_hidden()


CONTRAST = """(element, property) => {
    const light = (colour) => {
        const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map((part) => {
            const value = part / 255;
            return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
    };
    const [one, other] = [
        light(getComputedStyle(element)[property]),
        light(getComputedStyle(document.querySelector(".panel")).backgroundColor),
    ];
    return Math.max(one, other) / Math.min(one, other);
}"""


def boxes(found: Locator) -> list[dict[str, float]]:
    """Return where each element that was found is, and how large, in pixels."""
    return found.evaluate_all("(all) => all.map((each) => each.getBoundingClientRect().toJSON())")  # type: ignore[no-any-return]


def test_threat_zones_on_the_map_and_in_a_list(risky: dict[str, float], page: Page) -> None:
    """Each zone is a ring, heavier where the score is higher, with the score beside it, and a row of the list.

    At any width and on either ground it can be read: ten pixels high, in a colour that contrasts (WCAG 2, 1.4.3).
    """
    rows = page.locator("#zone-rows tr")
    expect(rows).to_have_count(2)
    expect(rows.nth(0).locator("th, td")).to_have_text(["Netherlands", "0.61", "2", "52.4°N 4.9°E, 50 km"])
    expect(rows.nth(1).locator("th, td")).to_have_text(["New Zealand", "0.10", "1", "36.8°S 174.8°E, 50 km"])
    expect(page.locator("#map-note")).to_have_text("3 hosts, 2 threat zones (rings, with their risk)")
    labels, rings = page.locator("#zones text"), page.locator("#zones circle")
    for width, dark in ((1200, False), (1200, True), (360, True)):
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme="dark" if dark else "light")
        wait_until(lambda: min(box["height"] for box in boxes(labels)) >= 10, "the labels are ten pixels high")
        expect(labels).to_have_text(["0.61", "0.10"])
        for selector, part in (("#zones text", "fill"), (".risk.bad", "color"), (".risk.fair", "color")):
            assert page.locator(selector).first.evaluate(CONTRAST, part) >= 4.5
        assert width_needed(page) <= width
        (picture,) = boxes(page.locator("#map"))
        assert max(box["right"] for box in boxes(labels)) <= picture["right"]
    heavy, light = rings.evaluate_all("(all) => all.map((each) => parseFloat(getComputedStyle(each).strokeWidth))")
    assert heavy > light
    assert min(box["width"] for box in boxes(rings)) >= 15


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_server_gone_is_said_and_forgiven(
    page: Page, ledger: Database, dashboard: Dashboard, watch: Watch, how: signal.Signals
) -> None:
    """When the server stops or is killed, the page says so and keeps what it has; when it is back, it goes on by itself."""
    connect(ledger, ["198.51.100.7"])
    expect(page.locator("#connection-rows tr")).to_have_count(1)
    watch.expect("net::ERR")
    assert dashboard.stop(how) == (0 if how is signal.SIGINT else -how)
    trouble = page.locator("#trouble")
    for words in ("does not answer", "no longer kept up to date", "(since "):
        expect(trouble).to_contain_text(words)
    expect(trouble).to_be_visible()
    expect(page.locator("#overall")).to_have_text("health unknown")
    expect(page.locator("#connection-rows")).to_contain_text("198.51.100.7")
    dashboard.start()
    expect(trouble).to_be_hidden()
    expect(page.locator("#link")).to_have_text(re.compile("^(streaming|polling)$"))


def test_dark_and_docs(page: Page, ledger: Database) -> None:
    """Dark is dark; /docs lists every route, and loads nothing from elsewhere."""
    page.emulate_media(color_scheme="dark")
    expect(page.locator("body")).to_have_css("background-color", "rgb(12, 17, 29)")
    assert len(page.screenshot()) > 10_000
    page.goto("/docs")
    expect(page.locator("article").nth(8)).to_be_visible()
    for words in ("/api/data", "/api/hosts/{ip}", "/api/stream", "/metrics", "last_seen | score"):
        expect(page.locator("#operations")).to_contain_text(words)


def test_what_is_wrong_is_said_and_queues_are_judged_by_minutes(page: Page, ledger: Database) -> None:
    """No Redis: the page says so beside the health. 60 jobs a moment old are normal, one that is two hours late is not.

    Break: `reasons` in showHealth; words.behind.
    """
    with ledger.writing() as connection:
        creation.create(connection, [NewJob(kind="domain", address=f"192.0.2.{n}") for n in range(60)])
        creation.create(connection, [NewJob(kind="banner", address="192.0.2.1", protocol="tcp", port=22)])
        late = update(models.jobs).where(models.jobs.c.kind == "banner").values(not_before=time.time() - 7200)
        connection.execute(late)
    open_view(page, "System")
    expect(page.locator("#reasons")).to_contain_text("Redis does not answer")
    for queue, level in (("domain", "normal"), ("banner", "overloaded"), ("certificate", "good")):
        expect(page.locator(f"#queues [data-key={queue}] .badge")).to_have_text(level)
    expect(page.locator("#queues")).to_contain_text("2 h behind")
