"""The page's views: their addresses, the browser's history, and the tables, in a real browser."""

import re
import time
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Route, expect
from sqlalchemy import insert

from cobalt_tasks.db import counts
from cobalt_tasks.db import tables as models
from cobalt_tasks.db.engine import Database
from tests.browser.conftest import OpenPage
from tests.support.browser import Watch, open_view
from tests.support.waiting import wait_until

HOSTS = 2_345

VIEWS = ("/", "/hosts", "/connections", "/changes", "/certificates", "/findings", "/sources", "/system")


@pytest.fixture
def many(ledger: Database) -> list[str]:
    """2,345 hosts in two countries; returns their addresses, the last seen first."""
    now = time.time()
    addresses = [f"198.51.{100 + number // 256}.{number % 256}" for number in range(HOSTS)]
    hosts = [
        {"address": each, "first_seen": 1.0, "last_seen": now - number, "discovered": True}
        for number, each in enumerate(addresses)
    ]
    located = [
        {"address": each, "provider": "mmdb", "fetched_at": 1.0, "country_code": "NL" if number % 5 else "DE"}
        for number, each in enumerate(addresses)
    ]
    with ledger.writing() as connection:
        connection.execute(insert(models.hosts), hosts)
        connection.execute(insert(models.locations), located)
        counts.add(connection, models.hosts, HOSTS)
    return addresses


def expect_hosts(page: Page, note: str, first: str | None = None) -> None:
    """Wait until the list of hosts has a note, and begins with an address."""
    expect(page.locator("#host-note")).to_have_text(note)
    if first:
        expect(page.locator("#host-rows th").first).to_have_text(first)


def export(page: Page) -> list[str]:
    """Click on the export as CSV; return its lines."""
    with page.expect_download() as download:
        page.locator(".exports").get_by_role("link", name="csv", exact=True).click()
    return Path(download.value.path()).read_text().splitlines()


def heading(page: Page, column: str) -> Locator:
    """Return the heading of a column that the rows can be ordered by."""
    return page.locator("thead").get_by_role("link", name=column)


def test_every_view_has_an_address(page: Page) -> None:
    """Opened by its address, a view is shown and marked in the navigation; its name is the tab's title."""
    links = page.locator("#views a")
    expect(links).to_have_count(len(VIEWS))
    assert set(VIEWS) == set(links.evaluate_all("(all) => all.map((link) => link.getAttribute('href'))"))
    for path in VIEWS:
        page.goto(path)
        title = page.locator("main h1")
        expect(title).to_be_visible()
        expect(page.locator("#views [aria-current=page]")).to_have_attribute("href", path)
        expect(page).to_have_title(re.compile(f"^{title.inner_text()}"))


def test_pages_go_to_the_end_and_back(many: list[str], page: Page) -> None:
    """Every host is on one page: Next to the end, Previous and the browser's button back, also after a reload."""
    page.goto("/hosts?rows=500")
    seen: list[str] = []
    following = page.get_by_role("link", name="Next", exact=True)
    for number in range(5):
        first, last = 500 * number + 1, min(500 * number + 500, HOSTS)
        expect_hosts(page, f"{first:,}–{last:,} of 2,345")
        seen += page.locator("#host-rows th").all_inner_texts()
        if number < 4:
            following.click()
    assert seen == many
    expect(following).to_have_count(0)
    page.reload()
    expect_hosts(page, "2,001–2,345 of 2,345")
    page.get_by_role("link", name="Previous", exact=True).click()
    expect_hosts(page, "1,501–2,000 of 2,345", many[1500])
    page.go_back()
    expect_hosts(page, "2,001–2,345 of 2,345", many[2000])


def test_what_is_chosen_stands_in_the_address(many: list[str], page: Page) -> None:
    """A facet, a column and a sort are in the address, which shows the same when it is opened anew; back undoes each."""
    ordered, heads = page.locator("[aria-sort]"), page.locator("thead")
    open_view(page, "Hosts")
    page.locator(".facets").get_by_role("link", name="Germany").click()
    expect_hosts(page, "1–100 of 469")
    expect(page.get_by_role("combobox", name="Search")).to_have_value("country:DE")
    page.locator(".columns-choice summary").click()
    page.get_by_role("checkbox", name="ASN").check()
    expect(heads).to_contain_text("ASN")
    expect(page.locator(".exports a[href*='format=csv']")).to_have_attribute("href", re.compile("asn"))
    exported = export(page)
    assert len(exported) == 1 + 469, "all pages, one heading"
    assert exported[0].split(",")[:2] == ["address", "score"]
    shared = page.url
    page.goto("/")
    page.goto(shared)
    expect_hosts(page, "1–100 of 469", many[0])
    expect(heads).to_contain_text("ASN")
    open_view(page, "Hosts")
    heading(page, "Score").click()
    expect(ordered).to_contain_text("Score")
    heading(page, "Address").click()
    expect_hosts(page, "1–100 of 2,345", many[0])
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="50", exact=True).click()
    expect(page.locator("#host-rows tr")).to_have_count(50)
    expect(page.locator("[aria-sort=ascending]")).to_contain_text("Address")
    expect_hosts(page, "1–50 of 2,345", many[0])
    for _ in range(4):
        page.go_back()
    expect_hosts(page, "1–100 of 469", many[0])
    page.locator("#host-rows a").first.click()
    expect(page.locator("#host-title")).to_have_text(many[0])
    expect(page.locator("#views [aria-current]")).to_have_text("Hosts")
    page.go_back()
    expect_hosts(page, "1–100 of 469", many[0])


def test_an_error_in_a_query_is_pointed_at(many: list[str], page: Page, watch: Watch) -> None:
    """A field that is not known: the message, and a mark below its column; the search box suggests known fields."""
    watch.expect("422")
    open_view(page, "Hosts")
    box, suggested = page.get_by_role("combobox", name="Search"), page.locator("datalist option")
    box.press_sequentially("port:22 cuntry:DE")
    box.press("Enter")
    error = page.locator(".query-error")
    expect(error).to_contain_text("perhaps country")
    assert error.inner_text().splitlines()[-2:] == ["port:22 cuntry:DE", "        ^"]
    for typed, suggestion in (("port:22 cou", "port:22 country:"), ("country:N", "country:NL")):
        box.clear()
        box.press_sequentially(typed)
        expect(suggested.first).to_have_attribute("value", suggestion)


def test_no_hosts_yet_is_not_no_hosts_that_match(page: Page, ledger: Database) -> None:
    """An empty ledger names what brings hosts; a query without a match is told apart from it."""
    open_view(page, "Hosts")
    expect(page.locator("#host-empty")).to_have_text("No hosts yet: cobalt ingest brings them.")
    with ledger.writing() as connection:
        one = {"address": "198.51.100.1", "first_seen": 1.0, "last_seen": 1.0, "discovered": True}
        connection.execute(insert(models.hosts), [one])
        counts.add(connection, models.hosts, 1)
    page.get_by_role("combobox", name="Search").fill("country:DE")
    page.keyboard.press("Enter")
    expect(page.locator("#host-empty")).to_have_text("No host matches.")


def test_a_list_without_its_ledger_says_why(page: Page, ledger: Database, watch: Watch) -> None:
    """While the ledger is gone, a list that has nothing to show has the reason, and loads by itself when it is back."""
    watch.expect("503")
    file = Path(str(ledger.engine.url.database))
    away = file.with_suffix(".away")
    ledger.dispose()
    file.rename(away)
    open_view(page, "Sources")
    empty = page.locator("#source-empty")
    expect(empty).to_be_visible()
    expect(empty).to_contain_text("ledger")
    away.rename(file)
    expect(empty).to_contain_text("Nothing was read yet")


def test_an_older_answer_does_not_replace_a_newer_one(page: Page, watch: Watch) -> None:
    """The rules of a query that was left are not shown when they arrive late. Break: `asked` in views/findings.js."""
    watch.expect("422")
    note, held = page.locator("#rule-note"), list[Route]()
    late, newer = re.compile(r"/api/findings/rules\?q=cuntry"), re.compile(r"/api/findings/rules$")
    page.route(late, lambda route: held.append(route))  # noqa: PLW0108  # Playwright sets attributes of what it calls
    open_view(page, "Findings")
    expect(note).to_have_text("No rule found anything.")
    page.get_by_role("combobox", name="Search").fill("cuntry:DE")
    with page.expect_request(late):
        page.keyboard.press("Enter")
    with page.expect_response(newer):
        page.get_by_role("link", name="Clear").click()
    wait_until(lambda: page.evaluate("true") and held, "the older question is held")
    with page.expect_response(late) as answer:
        held[0].continue_()
    answer.value.finished()
    page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    assert note.inner_text() == "No rule found anything."


def test_counts_beside_a_list_are_those_of_its_rows(many: list[str], page: Page, ledger: Database) -> None:
    """Findings, and hosts by score, count the hosts that they list; a value with quotes leads to the hosts that have it.

    Break: `narrowed` in views/findings.js, or `quoted` in query.js.
    """
    same = {"points": 0.3, "source": "scan", "observed_at": 1.0, "detail": "", "rule_version": "1"}
    product = 'the "best", <b>(server)</b>'
    port = {"protocol": "tcp", "port": 80, "product": product, "first_seen": 1.0, "last_seen": 1.0}
    with ledger.writing() as connection:
        rules = [("weak_key", each) for each in many[:30]] + [("risky_port", each) for each in many[20:40]]
        found = [{"address": each, "rule": rule, "subject": "", **same} for rule, each in rules]
        connection.execute(insert(models.findings), found)
        scored = [{"address": each, "score": 0.3 if number < 40 else 0.0} for number, each in enumerate(many)]
        connection.execute(insert(models.scores), [{**each, "rule_version": "1", "scored_at": 1.0} for each in scored])
        connection.execute(insert(models.ports), [{"address": each, **port} for each in many[:3]])
    facets = page.locator(".facets")
    for address, rows, total in (("/findings?rows=50", "finding", 40), ("/findings?rule=weak_key", "finding", 30)):
        page.goto(address)
        expect(page.locator("#finding-note")).to_have_text(f"1–{total} of {total}")
        expect(page.locator(f"#{rows}-rows tr")).to_have_count(total)
        counted = facets.locator("li:has(a[href*=country]) .figure")
        expect(counted).to_have_text([str(total * 4 // 5), str(total // 5)])
    page.goto("/hosts?sort=score")
    expect_hosts(page, "1–40 of 40 · only hosts with a score above 0")
    expect(page.locator(".exports a[href*='format=csv']")).to_have_attribute("href", re.compile("order=score"))
    listed = page.locator("#host-rows th").all_inner_texts()
    assert [line.split(",")[0] for line in export(page)[1:]] == listed
    open_view(page, "Hosts")
    expect(page.locator("[aria-busy]")).to_have_count(0)  # the facets of the other order are gone
    heading(page, "Address").click()
    expect(page.locator("[aria-sort=ascending]")).to_contain_text("Address")
    facets.get_by_role("link", name=product).click()
    expect_hosts(page, "1–3 of 3")
    expect(page.locator("[aria-sort]")).to_contain_text("Address")  # the order stays
    page.get_by_role("combobox", name="Search").fill("country:DE OR country:NL")
    page.keyboard.press("Enter")
    page.locator(".facets a[href$='%29+country%3ADE']").click()
    expect_hosts(page, "1–100 of 469")


def test_what_has_the_focus_keeps_it_when_rows_are_loaded_again(many: list[str], page: Page) -> None:
    """Links to the next page, to exports, to a number of rows and in facets stay while the list is loaded again by itself.

    Break: `refill` in dom.js, with `replaceChildren` alone.
    """
    page.clock.install()
    page.goto("/hosts")
    links = (
        page.locator(".steps").get_by_role("link", name="Next"),
        page.locator(".exports").get_by_role("link", name="csv", exact=True),
        page.locator(".choice").get_by_role("link", name="50", exact=True),
        page.locator(".facets").get_by_role("link", name="Germany"),
    )
    for link in links:
        link.focus()
        # What came with the first answer was shown before the second is asked for.
        for _ in range(2):
            with page.expect_response(re.compile("/api/search|/api/hosts")):
                page.clock.run_for(20_000)
        expect(link).to_be_focused()


def test_a_host_of_an_own_network_shows_its_site(page: Page, home: Path, ledger: Database) -> None:
    """Name and tags lead to their hosts; markup in a name is text. Break: the row "Site" in host.js."""
    (home / "networks.toml").write_text('["10.1.0.0/16"]\nname = "<b>office"\nowner = "IT"\ntags = ["lab"]\n')
    with ledger.writing() as connection:
        one = {"address": "10.1.0.7", "first_seen": 1.0, "last_seen": 1.0, "discovered": True}
        connection.execute(insert(models.hosts), [one])
    page.goto("/hosts/10.1.0.7")
    site = page.locator("dt", has_text="Site").locator("+ dd")
    expect(site).to_have_text("<b>office · IT · lab")
    site.get_by_role("link", name="lab").click()
    expect(page).to_have_url(re.compile(r"\?q=tag%3Alab$"))
    expect(page.locator("#host-rows")).to_contain_text("10.1.0.7")
    place = page.locator("#host-rows td").get_by_role("link", name="<b>office")
    expect(place).to_have_attribute("href", re.compile("^/hosts[?]q=site"))


def test_times_name_their_zone(open_page: OpenPage, ledger: Database) -> None:
    """Times are in the browser's zone, and say so. Break: format them without its name."""
    with ledger.writing() as connection:
        one = {"address": "198.51.100.7", "first_seen": 1795000000.0, "last_seen": 1795000000.0, "discovered": True}
        connection.execute(insert(models.hosts), [one])
    page = open_page(timezone_id="Pacific/Auckland")
    page.goto("/hosts/198.51.100.7")
    expect(page.locator("#host-body")).to_contain_text("Nov 19, 2026, 12:06:40 AM GMT+13")
    expect(page.locator("#host-title + *")).to_contain_text("GMT+13")
