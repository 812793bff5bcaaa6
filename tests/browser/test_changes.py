"""The list of changes, in a real browser."""

import json
import time
from typing import Any

from cobalt_tasks.core.changes import Change, ChangeKind
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts import changes
from tests.browser.test_page import HOSTILE, connect


def test_changes_are_listed_and_are_a_timeline_of_their_host(page: Any, ledger: Database) -> None:
    """What changed is listed as text, narrowed by its kind, and shown with its host. Break: `text` in views/changes.py."""
    connect(ledger, ["198.51.100.1"])
    at = {"address": "198.51.100.1", "observed_at": time.time()}
    new = [
        Change(kind=ChangeKind.PORT_CLOSED, protocol="tcp", port=21, **at),
        Change(kind=ChangeKind.NAME_GONE, old=HOSTILE, **at),
    ]
    ledger.write(changes.write, new)
    page.show("/changes")
    page.wait_for("document.querySelectorAll('#change-rows tr').length === 2")
    page.shows("#change-rows", HOSTILE)
    page.evaluate("document.querySelector('#change-filter').elements.kind.value = 'port closed'")
    page.evaluate("document.querySelector('#change-filter').elements.kind.dispatchEvent(new Event('change'))")
    page.wait_for("document.querySelectorAll('#change-rows tr').length === 1")
    assert "kind=port+closed" in page.evaluate("location.search")
    page.shows("#change-rows", "port 21/tcp is closed now")
    page.evaluate("document.querySelector('#change-rows a').click()")
    page.wait_for(f"document.querySelector('#host-body')?.innerText.includes({json.dumps(HOSTILE)})")
    assert page.messages == []
