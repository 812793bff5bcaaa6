"""Every view, for people who see little or nothing, have no mouse, or look at it on a phone, in a real browser."""

import json
import re
import time
from importlib.resources import files
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import insert

from cobalt_tasks.db import tables
from cobalt_tasks.db.engine import Database
from tests.browser.conftest import OpenPage
from tests.browser.test_page import place
from tests.support.browser import Watch, width_needed
from tests.support.world import address, fill

HOST = address(0)

VIEWS = {
    "/": (".clusters g", "#connection-rows tr"),
    "/hosts": ("#host-rows tr", ".facets li"),
    f"/hosts/{HOST}": (".evidence li", "#ports"),
    "/hosts?q=cuntry%3ADE": (".query-error p",),
    "/connections?rows=50": ("#connection-rows tr",),
    "/changes": ("#change-rows tr",),
    "/certificates": ("#certificate-rows tr",),
    "/findings": ("#finding-rows tr",),
    "/sources": ("#source-rows tr",),
    "/sources?rejects=all": ("#reject-rows tr",),
    "/system": ("#queues li", "#reasons li"),
    "/docs": ("article",),
}
"""Each view, and what is there once its data is."""

SCREENS = ((1400, False), (1400, True), (380, False), (380, True))
"""Width in pixels, and whether it is dark."""

COLOURS = {"runOnly": ["color-contrast", "link-in-text-block"]}
"""The rules that may find something else when it is dark."""

STEADY = "Promise.allSettled(document.getAnimations().map((each) => each.finished)).then(() => 0)"
"""Waits until no colour is on its way to another."""

RUN = """(options) => axe.run(document, options).then((found) => found.violations.map((each) => `${each.id}: ${each.nodes.map((node) => `${node.target} ${node.any[0]?.message ?? ""}`).join("; ")}`))"""

UNFOLD = "document.querySelectorAll('details').forEach((each) => { each.open = true; })"


AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
"""The library; the page's policy forbids to load it, so it is injected as the developer tools do."""


def add_rare_rows(ledger: Database) -> None:
    """Write a threat zone and a refused line."""
    place(ledger, HOST, "NL", 52.37, 4.89)
    now = time.time()
    reject = {"source_id": 1, "position": 0, "reason": "this is no JSON", "line": b"", "arrived_at": now}
    new = {"source_id": 1, "protocol": "tcp", "dst_port": 443, "src_port": 40000, "observed_at": now, "arrived_at": now}
    with ledger.writing() as connection:
        connection.execute(insert(tables.rejects), [reject])
        connection.execute(insert(tables.observations), [{**new, "src_ip": "10.0.0.5", "dst_ip": HOST}])


@pytest.fixture
def few(ledger: Database, home: Path) -> None:
    """40 hosts with a bit of everything."""
    fill(ledger, home, 40)
    add_rare_rows(ledger)


@pytest.fixture
def many(world: Database) -> None:
    """22,000 hosts with a bit of everything."""
    add_rare_rows(world)


def open_whole(page: Page, path: str) -> None:
    """Open a view, wait for its data, and unfold what is folded."""
    page.goto(path)
    for selector in VIEWS[path]:
        expect(page.locator(selector).first).to_be_attached()
    page.evaluate(UNFOLD)


def test_no_view_keeps_people_out(few: None, page: Page, watch: Watch) -> None:
    """With data, light and dark, wide and on a phone, axe-core finds nothing in any view, be it serious or not.

    Break: the `aria-label` of a region, or make `--quiet` in page.css lighter.
    """
    watch.expect("422")
    faults: dict[str, list[str]] = {}
    for path in VIEWS:
        open_whole(page, path)
        page.evaluate(f"{AXE}; 0")
        for width, dark in SCREENS:
            page.set_viewport_size({"width": width, "height": 800})
            page.emulate_media(color_scheme="dark" if dark else "light")
            page.evaluate(STEADY)
            found = page.evaluate(RUN, COLOURS if dark else {})
            if found:
                faults[f"{path} at {width} px, {'dark' if dark else 'light'}"] = found
    assert not faults, json.dumps(faults, indent=1)


def test_no_view_scrolls_sideways_on_a_phone(many: None, open_page: OpenPage, watch: Watch) -> None:
    """At 380 pixels, and at 360, every view with its data is no wider than the window, however long its words are.

    Break: `overflow` of `.scroll` in page.css.
    """
    watch.expect("422")
    page = open_page(viewport={"width": 380, "height": 800})
    for path in VIEWS:
        open_whole(page, path)
        for width in (380, 360):
            page.set_viewport_size({"width": width, "height": 800})
            assert width_needed(page) <= width, path
        page.evaluate("scrollTo(1000, 0)")
        assert page.evaluate("scrollX") == 0, path


def tab_to(page: Page, target: Locator, *, most: int) -> None:
    """Press Tab until an element has the focus, `most` times at most."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if target.evaluate("(element) => element === document.activeElement"):
            return
    raise AssertionError(f"not reached by {most} times Tab: {target}")


def test_all_can_be_done_with_keys(many: None, page: Page) -> None:
    """Tab goes to the link to the content, then through the views; search, rows, hosts and the map work by keys alone.

    Break: `.skip` in index.html, `container.focus` in page.js, `button` in map.js.
    """
    press, views = page.keyboard.press, page.get_by_role("navigation", name="Views").get_by_role("link")
    # The focus follows from one view to the next: there has to be a first one.
    expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()
    press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    expect(views).to_have_count(8)
    for view in views.all()[:2]:
        press("Tab")
        expect(view).to_be_focused()
    press("Enter")
    expect(page.get_by_role("heading", name="Hosts", level=1)).to_be_visible()
    expect(page.locator("main")).to_be_focused()
    press("Tab")
    expect(page.get_by_role("combobox", name="Search")).to_be_focused()
    page.keyboard.type("country:JP")
    press("Enter")
    first = page.locator("#host-rows tr").first
    expect(page).to_have_url(re.compile("q=country%3AJP$"))
    expect(first).to_contain_text("Japan")
    link = first.get_by_role("link").first
    host = link.inner_text()
    tab_to(page, link, most=40)
    press("Enter")
    expect(page.locator("#host-title")).to_have_text(host)
    expect(page.locator("#ports")).to_be_visible()


def test_the_map_can_be_used_with_keys(many: None, page: Page) -> None:
    """Past the head of the page, Tab reaches the map: + and arrows move it, Enter on a circle leads to its hosts."""
    press, picture = page.keyboard.press, page.locator("#map")
    press("Tab")
    press("Enter")
    expect(page.locator("main")).to_be_focused()
    circles = page.locator(".clusters g")
    expect(circles.nth(5)).to_be_attached()
    of_the_world = circles.count()
    tab_to(page, picture, most=150)
    for key, width in (("+", "180"), ("+", "90"), ("-", "180"), ("ArrowRight", "180"), ("0", "360")):
        before = str(picture.get_attribute("viewBox"))
        press(key)
        expect(picture).not_to_have_attribute("viewBox", before)
        expect(picture).to_have_attribute("viewBox", re.compile(f" {width} "))
    tokyo = page.get_by_role("button", name=re.compile("hosts: Tokyo"))
    # Those of the smaller part may still be there, and the focus would go with them.
    expect(circles).to_have_count(of_the_world)
    expect(tokyo).to_be_visible()
    tab_to(page, tokyo, most=60)
    press("Enter")
    expect(page).to_have_url(re.compile("/hosts.*Tokyo"))
    expect(page.locator("#host-rows tr").first).to_contain_text("Japan")
