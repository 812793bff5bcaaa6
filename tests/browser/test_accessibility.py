"""Every view, for people who see little or nothing: axe-core's rules, in a real browser."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from cobalt_tasks.db import tables
from cobalt_tasks.db.engine import Database
from tests.browser.test_page import place
from tests.support.world import address, fill

HOST = address(0)

VIEWS = {
    "/": "document.querySelectorAll('.clusters g').length && document.querySelectorAll('#connection-rows tr').length",
    "/hosts": "document.querySelectorAll('#host-rows tr').length && document.querySelector('.facets li')",
    f"/hosts/{HOST}": "document.querySelector('.evidence li') && document.querySelector('#ports')",
    "/hosts?q=cuntry%3ADE": "document.querySelector('.query-error')?.hidden === false",
    "/connections?rows=50": "document.querySelectorAll('#connection-rows tr').length",
    "/changes": "document.querySelectorAll('#change-rows tr').length",
    "/certificates": "document.querySelectorAll('#certificate-rows tr').length",
    "/findings": "document.querySelectorAll('#finding-rows tr').length",
    "/sources": "document.querySelectorAll('#source-rows tr').length",
    "/sources?rejects=all": "document.querySelectorAll('#reject-rows tr').length",
    "/system": "document.querySelectorAll('#queues li').length && document.querySelectorAll('#reasons li').length",
    "/docs": "document.querySelectorAll('article').length",
}
"""Each view, and what is there once its data is."""

SCREENS = ((1400, False), (1400, True), (380, False), (380, True))
"""Width in pixels, and whether it is dark."""

COLOURS = '{ runOnly: ["color-contrast", "link-in-text-block"] }'
"""The rules that may find something else when it is dark."""

STEADY = "Promise.allSettled(document.getAnimations().map((each) => each.finished)).then(() => 0)"
"""Waits until no colour is on its way to another."""

RUN = """((options) => axe.run(document, options).then((found) => found.violations.map((each) => `${each.id}: ${each.nodes.map((node) => `${node.target} ${node.any[0]?.message ?? ""}`).join("; ")}`)))"""


@pytest.fixture(scope="module")
def axe() -> str:
    """The library; the page's policy forbids to load it, so it is injected as the developer tools do."""
    file = Path(__file__).parents[2] / ".venv/axe/axe_playwright_python/axe.min.js"
    assert file.exists(), "axe-core is needed for this test: make test fetches it"
    return file.read_text(encoding="utf-8")


@pytest.fixture
def world(ledger: Database, home: Path) -> None:
    """40 hosts with a bit of everything, a threat zone, and a refused line."""
    fill(ledger, home, 40)
    place(ledger, HOST, "NL", 52.37, 4.89)
    now = time.time()
    reject = {"source_id": 1, "position": 0, "reason": "this is no JSON", "line": b"", "arrived_at": now}
    new = {"source_id": 1, "protocol": "tcp", "dst_port": 443, "src_port": 40000, "observed_at": now, "arrived_at": now}
    with ledger.writing() as connection:
        connection.execute(insert(tables.rejects), [reject])
        connection.execute(insert(tables.observations), [{**new, "src_ip": "10.0.0.5", "dst_ip": HOST}])


@pytest.mark.source
def test_no_view_keeps_people_out(world: None, page: Any, dashboard: Any, axe: str) -> None:
    """With data, light and dark, wide and on a phone, axe-core finds nothing in any view, be it serious or not.

    Break: the `aria-label` of a region, or make `--quiet` in page.css lighter.
    """
    faults: dict[str, list[str]] = {}
    for path, loaded in VIEWS.items():
        page.go(dashboard.url.rstrip("/") + path)
        page.wait_for(f"!!({loaded})")
        page.evaluate(f"{axe}; 0")
        page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        for width, dark in SCREENS:
            page.resize(width, 800, dark=dark)
            page.evaluate(STEADY)
            found = page.evaluate(f"{RUN}({COLOURS if dark else {}})")
            if found:
                faults[f"{path} at {width} px, {'dark' if dark else 'light'}"] = found
    assert not faults, json.dumps(faults, indent=1)
