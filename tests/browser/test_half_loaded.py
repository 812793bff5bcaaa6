"""What the page says while the ledger is gone, or a part of the page does not arrive, in a real browser."""

from pathlib import Path
from typing import Any

import pytest

from cobalt_tasks.db.engine import Database

LISTS = ("countries", "riskiest", "changed", "expiring")


@pytest.fixture
def gone(ledger: Database) -> Path:
    """The file of a ledger, which is away: with `.away` behind its name."""
    file = Path(str(ledger.engine.url.database))
    ledger.dispose()
    file.rename(f"{file}.away")
    return file


def without(page: Any, url: str, *parts: str) -> None:
    """Open a URL while requests whose addresses contain one of `parts` are stopped; none: all are let through."""
    page.send("Network.enable")
    page.send("Network.setCacheDisabled", cacheDisabled=True)
    page.send("Network.setBlockedURLs", urls=[f"*{part}*" for part in parts])
    page.go(url)


def test_a_ledger_that_is_gone_is_said_in_every_box(gone: Path, page: Any, dashboard: Any) -> None:
    """Opened while the ledger is gone, the page has the reason above, and in each box; no box goes on loading.

    When it is back, the page fills by itself. Break: `fail` in page.js.
    """
    page.wait_for("!document.querySelector('#trouble').hidden")
    page.shows("#trouble", "ledger")
    page.shows("#trouble", "Nothing can be shown until it does.")
    for box in ("flowing", "behind", "broken", *LISTS):
        page.wait_for(f"document.querySelector('[data-line={box}]')?.className.includes('bad')")
        page.shows(f"[data-line={box}]", "ledger")
    page.wait_for("document.querySelector('[data-line=spark]')?.innerText.includes('ledger')")
    page.wait_for("document.querySelector('#map-note')?.innerText.includes('ledger')")
    assert "Loading" not in page.text("main")
    Path(f"{gone}.away").rename(gone)
    page.wait_for("document.querySelector('#trouble').hidden")
    page.wait_for("!document.querySelector('[data-line=flowing]').innerText.includes('ledger')")


@pytest.mark.parametrize("script", ["page.js", "words.js"])
def test_a_script_that_does_not_arrive_is_said(page: Any, dashboard: Any, script: str) -> None:
    """Without its first script, or one that it needs, the page says that it does not work. Break: guard.js."""
    without(page, dashboard.url, f"/static/{script}")
    page.wait_for("document.querySelector('#trouble')?.hidden === false")
    page.shows("#trouble", "did not arrive")
    page.shows("#trouble", "Load the page again")
    assert "Loading" not in page.text("main")
    without(page, dashboard.url)
    page.wait_for(
        "document.querySelector('#trouble').hidden && document.querySelector('main h1')?.innerText === 'Overview'"
    )


def test_a_view_that_does_not_arrive_is_said_and_stays_said(page: Any, dashboard: Any) -> None:
    """The report of a view's script that is missing outlasts the documents of the feed, and other views go on.

    Break: `showMissing` in page.js.
    """
    without(page, dashboard.url, "/static/views/sources.js")
    page.wait_for("document.querySelector('main h1')?.innerText === 'Overview'")
    page.show("/sources")
    page.wait_for("document.querySelector('main .missing')?.innerText.includes('did not arrive')")
    page.wait_for("document.querySelector('#age').textContent === 'No Data'")
    page.shows("main", "did not arrive")
    assert page.text("main h1") == "Sources"
    page.show("/findings")
    page.wait_for("document.querySelector('main h1')?.innerText === 'Findings'")
    assert page.evaluate("document.querySelector('.missing')") is None


def test_an_answer_that_does_not_arrive_is_said_at_its_place(page: Any, dashboard: Any) -> None:
    """What cannot be asked for says so; the rest of the view is there. Break: `lists.error` in overview_boxes.js."""
    without(page, dashboard.url, "/api/overview", "/api/traffic", "/api/map")
    for box in LISTS:
        page.wait_for(
            f"document.querySelector('[data-line={box}]')?.innerText === \"Cobalt's server does not answer.\""
        )
    page.wait_for("document.querySelector('[data-line=spark]')?.innerText.includes('does not answer')")
    page.wait_for("document.querySelector('#map-note')?.innerText.includes('does not answer')")
    page.wait_for("document.querySelector('#age').textContent === 'No Data'")
    assert page.evaluate("document.querySelector('#trouble').hidden")


def test_connections_that_did_not_arrive_are_asked_for_again(page: Any, dashboard: Any) -> None:
    """The reason goes when they can be loaded again, also where no connection is new. Break: keep `shown` in overview.js
    after an error.
    """
    without(page, dashboard.url, "/api/connections")
    page.wait_for("document.querySelector('#connections-note')?.innerText.includes('does not answer')")
    page.send("Network.setBlockedURLs", urls=[])
    page.wait_for("document.querySelector('#connections-note').innerText === ''")
    page.wait_for("!document.querySelector('#connections-empty').hidden")
