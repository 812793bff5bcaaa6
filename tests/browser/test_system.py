"""The system's view, in a real browser."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import insert

from cobalt_tasks.db import tables as models
from cobalt_tasks.db.engine import Database
from tests.browser.conftest import Dashboard
from tests.support.browser import open_view


@pytest.fixture
def dashboard(ledger: Database) -> Iterator[Dashboard]:
    """A dashboard that knows where Flower is."""
    server = Dashboard("--flower-port", "5599")
    yield server
    server.stop()


def test_the_system_shows_disks_settings_lag_and_flower(ledger: Database, page: Page, home: Path) -> None:
    """Disk space with units, what the settings mean, the age of each source, and a link to Flower at its port.

    Break: `showLag` in views/system.js, or the link in views/system_setup.js.
    """
    now = time.time()
    source = {"name": "capture.jsonl", "read": 1204, "rejected": 4, "created_at": now - 900, "updated_at": now - 600}
    with ledger.writing() as connection:
        connection.execute(insert(models.sources), [source])
    open_view(page, "System")
    lag = page.locator("#lag-rows tr")
    expect(lag.nth(0)).to_contain_text("up to date")
    expect(lag.nth(1)).to_contain_text("capture.jsonl")
    expect(lag.nth(1)).to_contain_text("10 min")
    expect(lag.nth(1)).to_contain_text("1,204 read, 4 refused")
    expect(page.locator("#disks li").first).to_be_visible()
    expect(page.locator("#disks")).to_contain_text(str(home))
    expect(page.locator("#disks")).to_contain_text("B free")
    expect(page.locator("#setup")).to_contain_text("probes: only what your own scans reported")
    expect(page.get_by_role("link", name="Flower")).to_have_attribute("href", "http://127.0.0.1:5599/")
