"""What the page says while the ledger is gone, or a part of the page does not arrive, in a real browser."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from cobalt_tasks.db.engine import Database
from tests.support.browser import Watch, open_view

LISTS = ("countries", "riskiest", "changed", "expiring")


@pytest.fixture
def gone(ledger: Database) -> Path:
    """The file of a ledger, which is away: with `.away` behind its name."""
    file = Path(str(ledger.engine.url.database))
    ledger.dispose()
    file.rename(f"{file}.away")
    return file


@pytest.fixture
def without(page: Page, watch: Watch) -> Callable[..., None]:
    """Opens the overview while requests whose addresses contain one of the parts are stopped; none: all are let through."""
    watch.expect("net::ERR_FAILED")

    def without(*parts: str) -> None:
        page.unroute_all()
        if parts:
            page.route(re.compile("|".join(map(re.escape, parts))), lambda route: route.abort())
        page.goto("/")

    return without


def test_a_ledger_that_is_gone_is_said_in_every_box(gone: Path, page: Page, watch: Watch) -> None:
    """Opened while the ledger is gone, the page has the reason above, and in each box; no box goes on loading.

    When it is back, the page fills by itself. Break: `fail` in page.js.
    """
    watch.expect("503")
    trouble, flowing = page.locator("#trouble"), page.locator("[data-line=flowing]")
    expect(trouble).to_be_visible()
    expect(trouble).to_contain_text("ledger")
    expect(trouble).to_contain_text("Nothing can be shown until it does.")
    for box in ("flowing", "behind", "broken", *LISTS):
        expect(page.locator(f"[data-line={box}]")).to_contain_class("bad")
        expect(page.locator(f"[data-line={box}]")).to_contain_text("ledger")
    expect(page.locator("[data-line=spark]")).to_contain_text("ledger")
    expect(page.locator("#map-note")).to_contain_text("ledger")
    expect(page.locator("main")).not_to_contain_text("Loading")
    Path(f"{gone}.away").rename(gone)
    expect(trouble).to_be_hidden()
    expect(flowing).not_to_contain_text("ledger")


@pytest.mark.parametrize("script", ["page.js", "words.js"])
def test_a_script_that_does_not_arrive_is_said(page: Page, without: Callable[..., None], script: str) -> None:
    """Without its first script, or one that it needs, the page says that it does not work. Break: guard.js."""
    without(f"/static/{script}")
    trouble = page.locator("#trouble")
    expect(trouble).to_be_visible()
    expect(trouble).to_contain_text("did not arrive")
    expect(trouble).to_contain_text("Load the page again")
    expect(page.locator("main")).not_to_contain_text("Loading")
    without()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    expect(trouble).to_be_hidden()


def test_a_view_that_does_not_arrive_is_said_and_stays_said(page: Page, without: Callable[..., None]) -> None:
    """The report of a view's script that is missing outlasts the documents of the feed, and other views go on.

    Break: `showMissing` in page.js.
    """
    without("/static/views/sources.js")
    open_view(page, "Sources")
    expect(page.locator("main .missing")).to_contain_text("did not arrive")
    expect(page.locator("#age")).to_have_text("No Data")
    expect(page.locator("main .missing")).to_contain_text("did not arrive")
    expect(page.get_by_role("heading", name="Sources")).to_be_visible()
    open_view(page, "Findings")
    expect(page.locator(".missing")).to_have_count(0)


def test_an_answer_that_does_not_arrive_is_said_at_its_place(page: Page, without: Callable[..., None]) -> None:
    """What cannot be asked for says so; the rest of the view is there. Break: `lists.error` in overview_boxes.js."""
    without("/api/overview", "/api/traffic", "/api/map")
    for box in LISTS:
        expect(page.locator(f"[data-line={box}]")).to_have_text("Cobalt's server does not answer.")
    expect(page.locator("[data-line=spark]")).to_contain_text("does not answer")
    expect(page.locator("#map-note")).to_contain_text("does not answer")
    expect(page.locator("#age")).to_have_text("No Data")
    expect(page.locator("#trouble")).to_be_hidden()


def test_connections_that_did_not_arrive_are_asked_for_again(page: Page, without: Callable[..., None]) -> None:
    """The reason goes when they can be loaded again, also where no connection is new. Break: keep `shown` in overview.js
    after an error.
    """
    without("/api/connections")
    expect(page.locator("#connections-note")).to_contain_text("does not answer")
    page.unroute_all()
    expect(page.locator("#connections-note")).to_have_text("")
    expect(page.locator("#connections-empty")).to_be_visible()
