"""The overview at 22,000 hosts, in a real browser: its questions are answered, and lead on, by clicking only."""

import re
import time

from playwright.sync_api import Page, expect
from sqlalchemy import insert

from cobalt_tasks.db import tables as models
from cobalt_tasks.db.engine import Database

QUESTIONS = {
    "flowing": ("Is data flowing?", "last line came", "/connections"),
    "behind": ("How far behind is the work?", "scoring: .* behind, 2,000 connections", "/system"),
    "broken": ("What is broken?", "Redis does not answer", "/system"),
    "changed": ("What changed?", "changes since yesterday", "/changes"),
    "expiring": ("Which certificates expire?", "shop0.example.com", "/certificates"),
    "countries": ("Which countries?", "Most hosts are in United States", "/hosts"),
    "riskiest": (
        "Which hosts are the riskiest, and why?",
        r"Port that is often attacked: tcp/23 \(telnet\) is open",
        "/hosts",
    ),
}
"""Each box: its title, a pattern of its answer, and the view that its title leads to."""

WHOLE_WORLD = "-180 -85 360 145"


def test_the_seven_questions(world: Database, page: Page) -> None:
    """Each box has its answer, and its title leads to the view that goes deeper; a click on a country finds its hosts, and
    the time range stands in the address. Break: the `href` of a box, or an empty list in /api/overview.
    """
    for name, (title, answer, path) in QUESTIONS.items():
        box = page.locator(f"[data-box={name}]")
        expect(box).to_contain_text(re.compile(answer))
        expect(box).not_to_contain_text("Loading")
        page.get_by_role("link", name=title).click()
        expect(page).to_have_url(re.compile(f"^[^?]*{path}([?].*)?$"))
        rows = page.locator("main tbody tr, main #queues li")
        expect(rows.first).to_be_visible()
        page.go_back()
        expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    hours = page.locator(".spark rect")
    expect(hours.nth(23)).to_be_attached()
    assert hours.count() in {24, 25, 26}
    page.get_by_role("navigation", name="Time range").get_by_role("link", name="hour", exact=True).click()
    expect(page).to_have_url(re.compile(r"/\?hours=1$"))
    expect(page.locator("[data-line=spark]")).to_contain_text("the last hour")
    page.locator("[data-rows=countries]").get_by_role("link", name="United States").click()
    expect(page).to_have_url(re.compile(r"/hosts\?q=country%3AUS$"))
    expect(page.locator("#host-rows tr").first).to_contain_text("United States")


def test_the_map_zooms_moves_and_leads_to_hosts(world: Database, page: Page) -> None:
    """Keys zoom and move it; a cluster goes nearer and at last to its hosts; where it is stands in the address.

    Break: the bound of zoom in map.js, or `goTo`.
    """
    picture = page.locator("#map")
    expect(page.locator("#map-note")).to_contain_text("22,000 hosts")
    expect(page.locator(".sites g")).to_have_count(2)
    for many in (".clusters g", ".flows path", "[data-map=rows] tr"):
        expect(page.locator(many).nth(5)).to_be_attached()
    picture.focus()
    page.keyboard.press("+")
    expect(picture).to_have_attribute("viewBox", re.compile(" 180 "))
    before = str(picture.get_attribute("viewBox"))
    page.keyboard.press("ArrowRight")
    expect(picture).not_to_have_attribute("viewBox", before)
    expect(page).to_have_url(re.compile(r"[?&]place=[^&]*(,|%2C)1$"))
    page.keyboard.press("0")
    expect(picture).to_have_attribute("viewBox", WHOLE_WORLD)
    page.get_by_role("button", name="Nearer").click()
    expect(picture).to_have_attribute("viewBox", re.compile(" 180 "))
    page.get_by_role("button", name="The whole world").click()
    expect(picture).to_have_attribute("viewBox", WHOLE_WORLD)
    page.get_by_role("button", name=re.compile("hosts: Tokyo")).click()
    expect(page).to_have_url(re.compile(r"/hosts\?q=.*Tokyo"))
    expect(page.locator("#host-rows tr").first).to_contain_text("Japan")


def test_the_last_line_is_of_a_source_that_had_one(ledger: Database, page: Page) -> None:
    """A pipe that was opened and stayed empty is not where the last line came from. Break: `read > 0` in the boxes."""
    now = time.time()
    source = {"format": "masscan-json", "accepted": 1, "created_at": now}
    with ledger.writing() as connection:
        connection.execute(insert(models.sources), [
            {**source, "name": "scan.json", "read": 1, "updated_at": now - 20},
            {**source, "name": "stdin", "read": 0, "updated_at": now},
        ])  # fmt: skip
    expect(page.locator("[data-line=flowing]")).to_contain_text("from scan.json.")
