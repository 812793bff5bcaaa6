"""The head of the page, and its lists, with nothing but a keyboard, in a real browser."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from cobalt_tasks.db.engine import Database
from tests.browser.test_accessibility import tab_to
from tests.support.world import fill


@pytest.fixture
def few(ledger: Database, home: Path) -> None:
    """40 hosts with a bit of everything."""
    fill(ledger, home, 40)


def test_tab_goes_through_the_head_of_the_page_and_back(few: None, page: Page) -> None:
    """Tab goes through the head in its order, then into the content; Shift+Tab goes back; the first link skips it all.

    Break: the `tabindex` of main, or another order in index.html.
    """
    skip = page.get_by_role("link", name="Skip to the content")
    views, more = (page.get_by_role("navigation", name=name).get_by_role("link") for name in ("Views", "More"))
    expect(views).to_have_count(8)
    # Without the links of a view, Tab leaves the page behind its head.
    expect(page.locator("main").get_by_role("link").first).to_be_visible()
    head = [skip, *views.all(), page.locator("#age"), page.locator("#overall"), *more.all()]
    for link in head:
        page.keyboard.press("Tab")
        expect(link).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("main :focus")).to_have_count(1)
    for link in reversed(head):
        page.keyboard.press("Shift+Tab")
        expect(link).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("main :focus")).to_have_count(1)


def test_a_list_is_sorted_and_its_columns_are_chosen_by_keys(few: None, page: Page) -> None:
    """The head of a column sorts, a box adds a column, a choice narrows. Break: make the head of a column no link."""
    page.goto("/hosts?q=port%3A22+country%3AUS")
    expect(page.locator("#host-note")).to_have_text("1–3 of 3")
    tab_to(page, page.get_by_role("columnheader", name="Address").get_by_role("link"), most=60)
    page.keyboard.press("Enter")
    expect(page.get_by_role("columnheader", name="Address")).to_have_attribute("aria-sort", "ascending")
    tab_to(page, page.locator(".columns-choice summary"), most=90)
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_label("ASN"), most=10)
    page.keyboard.press("Space")
    expect(page.get_by_role("columnheader", name="ASN")).to_be_visible()
    page.goto("/changes")
    tab_to(page, page.get_by_label("Within"), most=40)
    page.keyboard.type("all")
    expect(page).to_have_url("/changes?days=0")
