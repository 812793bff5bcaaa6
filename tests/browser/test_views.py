"""The page's views: their addresses, the browser's history, and the tables, in a real browser."""

import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from cobalt_tasks.db import counts
from cobalt_tasks.db import tables as models
from cobalt_tasks.db.engine import Database

HOSTS = 2_345

VIEWS = ("/", "/hosts", "/connections", "/changes", "/certificates", "/findings", "/sources", "/system")

FIRST = "document.querySelector('#host-rows th')?.innerText"
NOTE = "document.querySelector('#host-note')?.innerText"


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


def click(page: Any, selector: str) -> None:
    """Click on what a selector finds, once it is there."""
    page.wait_for(f"!!document.querySelector({selector!r})")
    page.evaluate(f"document.querySelector({selector!r}).click()")


def test_every_view_has_an_address(page: Any, dashboard: Any) -> None:
    """Opened by its address, a view is shown and marked in the navigation; its name is the tab's title."""
    for path in VIEWS:
        page.go(dashboard.url.rstrip("/") + path)
        page.wait_for("!!document.querySelector('main h1')")
        assert page.evaluate("document.querySelector('#views [aria-current=page]').getAttribute('href')") == path
        assert page.evaluate("document.title").startswith(page.text("main h1"))
    links = page.evaluate("[...document.querySelectorAll('#views a')].map((link) => link.getAttribute('href'))")
    assert set(VIEWS) <= set(links)
    assert page.messages == []


def test_pages_go_to_the_end_and_back(many: list[str], page: Any) -> None:
    """Every host is on one page: Next to the end, Previous and the browser's button back, also after a reload."""
    page.show("/hosts?rows=500")
    seen: list[str] = []
    for number in range(5):
        first, last = 500 * number + 1, min(500 * number + 500, HOSTS)
        page.wait_for(f"{NOTE} === '{first:,}–{last:,} of 2,345'")
        seen += page.evaluate("[...document.querySelectorAll('#host-rows th')].map((cell) => cell.innerText)")
        if number < 4:
            click(page, ".step[rel=next]")
    assert seen == many
    assert page.evaluate("document.querySelector('.step[rel=next]')") is None
    page.evaluate("location.reload()")
    page.wait_for(f"{NOTE} === '2,001–2,345 of 2,345'")
    click(page, ".step[rel=prev]")
    page.wait_for(f"{FIRST} === '{many[1500]}'")
    page.evaluate("history.back()")
    page.wait_for(f"{FIRST} === '{many[2000]}'")
    assert page.messages == []


def test_what_is_chosen_stands_in_the_address(many: list[str], page: Any, dashboard: Any) -> None:
    """A facet, a column and a sort are in the address, which shows the same when it is opened anew; back undoes each."""
    page.show("/hosts")
    click(page, ".facets a[href*='country%3ADE']")
    page.wait_for(f"{NOTE} === '1–100 of 469'")
    assert page.evaluate("document.querySelector('#host-filter [name=q]').value") == "country:DE"
    page.evaluate("document.querySelector('.columns-choice [name=asn]').click()")
    page.wait_for("document.querySelector('thead').innerText.includes('ASN')")
    page.wait_for("document.querySelector('.exports a[href*=\"format=csv\"]')?.href.includes('asn')")
    exported = page.evaluate(
        "fetch(document.querySelector('.exports a[href*=\"format=csv\"]').href).then((answer) => answer.text())"
    )
    assert len(exported.splitlines()) == 1 + 469, "all pages, one heading"
    assert exported.splitlines()[0].split(",")[:2] == ["address", "score"]
    shared = page.evaluate("location.href")
    page.go(dashboard.url)
    page.go(shared)
    page.wait_for(f"{NOTE} === '1–100 of 469' && document.querySelector('thead').innerText.includes('ASN')")
    page.show("/hosts?sort=score")
    page.wait_for("document.querySelector('[aria-sort]')?.innerText.startsWith('Score')")
    page.show("/hosts?sort=address&rows=50")
    page.wait_for(
        f"document.querySelector('[aria-sort=ascending]')?.innerText.startsWith('Address') && {FIRST} === '{many[0]}'"
    )
    page.evaluate("history.go(-2)")
    page.wait_for(f"{NOTE} === '1–100 of 469'")
    click(page, "#host-rows a")
    page.wait_for(f"document.querySelector('#host-title')?.innerText === '{many[0]}'")
    assert page.evaluate("document.querySelector('#views [aria-current]').innerText") == "Hosts"
    page.evaluate("history.back()")
    page.wait_for(f"{FIRST} === '{many[0]}' && {NOTE} === '1–100 of 469'")
    assert page.messages == []


def test_an_error_in_a_query_is_pointed_at(many: list[str], page: Any) -> None:
    """A field that is not known: the message, and a mark below its column; the search box suggests known fields."""
    page.show("/hosts?q=port%3A22+cuntry%3ADE")
    page.wait_for("document.querySelector('.query-error')?.hidden === false")
    shown = page.text(".query-error")
    assert "perhaps country" in shown
    assert shown.splitlines()[-2:] == ["port:22 cuntry:DE", "        ^"]
    page.evaluate("document.querySelector('[name=q]').value = 'port:22 cou'")
    page.evaluate("document.querySelector('[name=q]').dispatchEvent(new Event('input'))")
    page.wait_for("document.querySelector('datalist option')?.value === 'port:22 country:'")
    page.evaluate("document.querySelector('[name=q]').value = 'country:N'")
    page.evaluate("document.querySelector('[name=q]').dispatchEvent(new Event('input'))")
    page.wait_for("document.querySelector('datalist option')?.value === 'country:NL'")


def test_no_hosts_yet_is_not_no_hosts_that_match(page: Any, ledger: Database) -> None:
    """An empty ledger names what brings hosts; a query without a match is told apart from it."""
    page.show("/hosts")
    page.wait_for("document.querySelector('#host-empty')?.innerText === 'No hosts yet: cobalt ingest brings them.'")
    with ledger.writing() as connection:
        one = {"address": "198.51.100.1", "first_seen": 1.0, "last_seen": 1.0, "discovered": True}
        connection.execute(insert(models.hosts), [one])
        counts.add(connection, models.hosts, 1)
    page.show("/hosts?q=country%3ADE")
    page.wait_for("document.querySelector('#host-empty')?.innerText === 'No host matches.'")


def test_a_list_without_its_ledger_says_why(page: Any, ledger: Database) -> None:
    """While the ledger is gone, a list that has nothing to show has the reason, and loads by itself when it is back."""
    file = Path(str(ledger.engine.url.database))
    away = file.with_suffix(".away")
    ledger.dispose()
    file.rename(away)
    page.show("/sources")
    page.wait_for("document.querySelector('#source-empty')?.hidden === false")
    page.shows("#source-empty", "ledger")
    away.rename(file)
    page.wait_for("document.querySelector('#source-empty').innerText.startsWith('Nothing was read yet')")


def test_an_older_answer_does_not_replace_a_newer_one(page: Any) -> None:
    """The rules of a query that was left are not shown when they arrive late. Break: `asked` in views/findings.js."""
    page.show("/findings")
    page.wait_for("document.querySelector('#rule-note')?.innerText === 'No rule found anything.'")
    page.evaluate("""{
        const real = window.fetch;
        window.fetch = (url, ...rest) => !url.includes('rules?q=') ? real(url, ...rest) : new Promise((answer) => {
            window.arrive = async () => {
                const late = await real(url, ...rest);
                answer(late.clone());
                await late.text();
                await new Promise(requestAnimationFrame);
            };
        });
    }""")
    page.show("/findings?q=cuntry%3ADE")
    page.wait_for("!!window.arrive")
    page.evaluate("document.querySelector('#rule-note').textContent = ''")
    page.show("/findings")
    page.wait_for("document.querySelector('#rule-note').innerText === 'No rule found anything.'")
    page.evaluate("window.arrive()")
    assert page.text("#rule-note") == "No rule found anything."


def test_counts_beside_a_list_are_those_of_its_rows(many: list[str], page: Any, ledger: Database) -> None:
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
    note = "document.querySelector('#finding-note')?.innerText"
    for address, rows, total in (("/findings?rows=50", "finding", 40), ("/findings?rule=weak_key", "finding", 30)):
        page.show(address)
        page.wait_for(f"{note} === '1–{total} of {total}' && !document.querySelector('[aria-busy]')")
        assert page.evaluate(f"document.querySelectorAll('#{rows}-rows tr').length") == total
        counted = "[...document.querySelectorAll('.facets a[href*=country]')].map((link) => link.nextSibling.innerText)"
        assert page.evaluate(counted) == [str(total * 4 // 5), str(total // 5)]
    page.show("/hosts?sort=score")
    page.wait_for(f"{NOTE} === '1–40 of 40 · only hosts with a score above 0'")
    page.wait_for("document.querySelector('.exports a[href*=\"format=csv\"]')?.href.includes('order=score')")
    exported = page.evaluate("fetch(document.querySelector('.exports a').href).then((answer) => answer.text())")
    listed = page.evaluate("[...document.querySelectorAll('#host-rows th')].map((cell) => cell.innerText)")
    assert [line.split(",")[0] for line in exported.splitlines()[1:]] == listed
    page.show("/hosts")
    page.wait_for("!document.querySelector('[aria-busy]')")
    page.show("/hosts?sort=address")
    click(page, ".facets a[href*=product]")
    page.wait_for(f"{NOTE} === '1–3 of 3'")
    assert page.evaluate("document.querySelector('[aria-sort]').innerText").startswith("Address"), "the order stays"
    page.show("/hosts?q=country%3ADE+OR+country%3ANL")
    click(page, ".facets a[href$='%29+country%3ADE']")
    page.wait_for(f"{NOTE} === '1–100 of 469'")
    assert page.messages == []


def test_a_host_of_an_own_network_shows_its_site(page: Any, home: Path, ledger: Database) -> None:
    """Name and tags lead to their hosts; markup in a name is text. Break: the row "Site" in host.js."""
    (home / "networks.toml").write_text('["10.1.0.0/16"]\nname = "<b>office"\nowner = "IT"\ntags = ["lab"]\n')
    with ledger.writing() as connection:
        one = {"address": "10.1.0.7", "first_seen": 1.0, "last_seen": 1.0, "discovered": True}
        connection.execute(insert(models.hosts), [one])
    page.show("/hosts/10.1.0.7")
    site = "[...document.querySelectorAll('dt')].find(each => each.innerText === 'Site')?.nextSibling"
    page.wait_for(f"{site}?.innerText === '<b>office · IT · lab'")
    page.evaluate(f"{site}.querySelectorAll('a')[1].click()")
    page.wait_for(
        "location.search === '?q=tag%3Alab' && document.querySelector('tbody')?.innerText.includes('10.1.0.7')"
    )
    place = "[...document.querySelectorAll('#host-rows td a')].find(each => each.innerText === '<b>office')"
    page.wait_for(f"{place}?.getAttribute('href').startsWith('/hosts?q=site')")


def test_times_name_their_zone(page: Any, ledger: Database) -> None:
    """Times are in the browser's zone, and say so. Break: format them without its name."""
    with ledger.writing() as connection:
        one = {"address": "198.51.100.7", "first_seen": 1795000000.0, "last_seen": 1795000000.0, "discovered": True}
        connection.execute(insert(models.hosts), [one])
    page.send("Emulation.setTimezoneOverride", timezoneId="Pacific/Auckland")
    page.go(page.evaluate("location.origin") + "/hosts/198.51.100.7")
    page.shows("#host-body", "Nov 19, 2026, 12:06:40 AM GMT+13")
    page.shows("#host-title + *", "GMT+13")
