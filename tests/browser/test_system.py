"""The system's view, in a real browser."""

import time
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from cobalt_tasks.db import tables as models
from cobalt_tasks.db.engine import Database
from tests.browser.conftest import Dashboard


def test_the_system_shows_disks_settings_lag_and_flower(ledger: Database, chromium: Any, home: Path) -> None:
    """Disk space with units, what the settings mean, the age of each source, and a link to Flower at its port.

    Break: `showLag` in views/system.js, or the link in views/system_setup.js.
    """
    now = time.time()
    source = {"name": "capture.jsonl", "read": 1204, "rejected": 4, "created_at": now - 900, "updated_at": now - 600}
    with ledger.writing() as connection:
        connection.execute(insert(models.sources), [source])
    server = Dashboard("--flower-port", "5599")
    tab = chromium.page(f"{server.url}system")
    try:
        tab.wait_for("document.querySelector('#lag-rows')?.innerText.includes('capture.jsonl')")
        tab.shows("#lag-rows tr:nth-child(2)", "10 min")
        tab.shows("#lag-rows", "1,204 read, 4 refused")
        tab.shows("#lag-rows tr:nth-child(1)", "up to date")
        tab.wait_for("document.querySelectorAll('#disks li').length > 0")
        tab.shows("#disks", str(home))
        tab.shows("#disks", "B free")
        tab.shows("#setup", "probes: only what your own scans reported")
        assert tab.evaluate("document.querySelector('#flower').href") == "http://127.0.0.1:5599/"
        assert not tab.evaluate("document.querySelector('#flower').hidden")
        assert tab.messages == []
    finally:
        tab.close()
        server.stop()
