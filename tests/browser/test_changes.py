"""The list of changes, in a real browser."""

import re
import time

from playwright.sync_api import Page, expect

from cobalt_tasks.core.changes import Change, ChangeKind
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts import changes
from tests.browser.test_page import HOSTILE, connect
from tests.support.browser import open_view


def test_changes_are_listed_and_are_a_timeline_of_their_host(page: Page, ledger: Database) -> None:
    """What changed is listed as text, narrowed by its kind, and shown with its host. Break: `text` in views/changes.py."""
    connect(ledger, ["198.51.100.1"])
    at = {"address": "198.51.100.1", "observed_at": time.time()}
    new = [
        Change(kind=ChangeKind.PORT_CLOSED, protocol="tcp", port=21, **at),
        Change(kind=ChangeKind.NAME_GONE, old=HOSTILE, **at),
    ]
    ledger.write(changes.write, new)
    rows = page.locator("#change-rows tr")
    open_view(page, "Changes")
    expect(rows).to_have_count(2)
    expect(rows.filter(has_text=HOSTILE)).to_be_visible()
    page.locator("#change-filter [name=kind]").select_option("port closed")
    expect(rows).to_have_count(1)
    expect(page).to_have_url(re.compile(r"kind=port\+closed"))
    expect(rows).to_contain_text("port 21/tcp is closed now")
    rows.get_by_role("link").first.click()
    expect(page.locator("#host-body")).to_contain_text(HOSTILE)
