"""The overview at 22,000 hosts, in a real browser: its questions are answered, and lead on, by clicking only."""

import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from cobalt_tasks.db import tables as models
from cobalt_tasks.db.engine import Database
from tests.support.world import fill

HOSTS = 22_000

QUESTIONS = {
    "flowing": ("last line came", "/connections"),
    "behind": ("", "/system"),
    "broken": ("Redis does not answer", "/system"),
    "changed": ("changes since yesterday", "/changes"),
    "expiring": ("shop0.example.com", "/certificates"),
    "countries": ("Most hosts are in United States", "/hosts"),
    "riskiest": ("Port that is often attacked: tcp/23 (telnet) is open", "/hosts"),
}
"""Each box, what its answer has, and the view that its title leads to."""


@pytest.fixture
def world(ledger: Database, home: Path) -> None:
    """22,000 hosts in 14 countries, with a bit of everything."""
    fill(ledger, home, HOSTS)


def click(page: Any, selector: str) -> None:
    """Click on what a selector finds, once it is there; the mark of a map is no HTML element and has no `click`."""
    page.wait_for(f"!!document.querySelector({selector!r})")
    event = "new MouseEvent('click', {bubbles: true, cancelable: true})"
    page.evaluate(f"document.querySelector({selector!r}).dispatchEvent({event}) && 0")


def press(page: Any, key: str) -> None:
    """Press a key on the map."""
    event = f"new KeyboardEvent('keydown', {{key: {key!r}, bubbles: true, cancelable: true}})"
    page.evaluate(f"document.querySelector('#map').dispatchEvent({event}) && 0")


def test_the_seven_questions(world: None, page: Any) -> None:
    """Each box has its answer, and its title leads to the view that goes deeper; a click on a country finds its hosts, and
    the time range stands in the address. Break: the `href` of a box, or an empty list in /api/overview.
    """
    for name, (answer, path) in QUESTIONS.items():
        box = f"[data-box={name}]"
        text = f"document.querySelector('{box}')?.innerText"
        page.wait_for(f"{text} && !{text}.includes('Loading') && {text}.includes({answer!r})")
        click(page, f"#{name}-title a")
        page.wait_for(f"location.pathname === {path!r}")
        page.evaluate("history.back()")
        page.wait_for("location.pathname === '/' && !!document.querySelector('#map')")
    page.wait_for("[24, 25, 26].includes(document.querySelectorAll('.spark rect').length)")
    click(page, "#ranges a")
    page.wait_for("location.search === '?hours=1'")
    page.wait_for("document.querySelector('[data-line=spark]').innerText.includes('the last hour')")
    click(page, "[data-rows=countries] a")
    page.wait_for("location.pathname + location.search === '/hosts?q=country%3AUS'")
    assert page.messages == []


def test_the_map_zooms_moves_and_leads_to_hosts(world: None, page: Any) -> None:
    """Keys zoom and move it; a cluster goes nearer and at last to its hosts; where it is stands in the address.

    Break: the bound of zoom in map.js, or `goTo`.
    """
    page.wait_for("document.querySelectorAll('.clusters g').length > 5")
    page.shows("#map-note", "22,000 hosts")
    assert page.evaluate("document.querySelectorAll('.sites g').length") == 2
    assert page.evaluate("document.querySelectorAll('.flows path').length") > 5
    assert page.evaluate("document.querySelectorAll('[data-map=rows] tr').length") > 5
    press(page, "+")
    page.wait_for("document.querySelector('#map').getAttribute('viewBox').split(' ')[2] === '180'")
    before = page.evaluate("document.querySelector('#map').getAttribute('viewBox')")
    press(page, "ArrowRight")
    page.wait_for(f"document.querySelector('#map').getAttribute('viewBox') !== {before!r}")
    page.wait_for("new URLSearchParams(location.search).get('place')?.endsWith(',1')")
    press(page, "0")
    page.wait_for("document.querySelector('#map').getAttribute('viewBox') === '-180 -85 360 145'")
    page.wait_for("[...document.querySelectorAll('.clusters g')].some((g) => g.textContent.includes('Tokyo'))")
    page.evaluate("[...document.querySelectorAll('.clusters g')].find((g) => g.textContent.includes('Tokyo')).focus()")
    enter = "new KeyboardEvent('keydown', {key: 'Enter', bubbles: true, cancelable: true})"
    page.evaluate(f"document.activeElement.dispatchEvent({enter}) && 0")
    page.wait_for("location.pathname === '/hosts' && location.search.includes('Tokyo')")
    page.wait_for("document.querySelectorAll('#host-rows tr').length > 0")
    assert page.messages == []


def test_the_last_line_is_of_a_source_that_had_one(ledger: Database, page: Any) -> None:
    """A pipe that was opened and stayed empty is not where the last line came from. Break: `read > 0` in the boxes."""
    now = time.time()
    source = {"format": "masscan-json", "accepted": 1, "created_at": now}
    with ledger.writing() as connection:
        connection.execute(insert(models.sources), [
            {**source, "name": "scan.json", "read": 1, "updated_at": now - 20},
            {**source, "name": "stdin", "read": 0, "updated_at": now},
        ])  # fmt: skip
    page.wait_for("document.querySelector('[data-line=flowing]')?.innerText.includes('from scan.json.')")
