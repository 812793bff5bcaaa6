"""The page, in a real browser, on a real server and a real ledger."""

import json
import time
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from cobalt_tasks.contracts import Banner, Facts, Hostname, Location
from cobalt_tasks.storage import facts, models
from cobalt_tasks.storage.engine import Database

HOSTILE = '<img src=x onerror="window.owned=1"><script>window.owned=1</script>\'"javascript:window.owned=1'


def connect(ledger: Database, addresses: list[str], process: str = "curl") -> None:
    """Write connections that arrive now."""
    now = time.time()
    common = {"source_id": 1, "observed_at": now, "arrived_at": now, "src_ip": "192.168.1.2", "protocol": "tcp"}
    with ledger.writing() as connection:
        rows = [{**common, "src_port": 40000, "dst_ip": a, "dst_port": 443, "process": process} for a in addresses]
        connection.execute(insert(models.observations), rows)
        hosts = [
            {"address": a, "first_seen": now, "last_seen": now, "discovered": False} for a in dict.fromkeys(addresses)
        ]
        connection.execute(insert(models.hosts), hosts)


def poison(ledger: Database, address: str) -> None:
    """Let everything that others choose be hostile: names, organisation, place, banner, source, reject, process."""
    now = time.time()
    known = Facts(
        hostnames=[Hostname(address=address, name=HOSTILE, source="ptr", observed_at=now, confirmed=True)],
        locations=[
            Location(
                address=address, provider="mmdb", fetched_at=now, country_code="XX", country_name=HOSTILE, city=HOSTILE,
                organisation=HOSTILE, isp=HOSTILE,
            ),
        ],
        banners=[
            Banner(
                address=address, protocol="tcp", port=80, source="probe", observed_at=now, text=HOSTILE, raw=b"x",
                service=HOSTILE, product=HOSTILE,
            ),
        ],
    )  # fmt: skip
    source = {"name": HOSTILE, "read": 1, "rejected": 1, "created_at": now, "updated_at": now}
    with ledger.writing() as connection:
        facts.write(connection, known)
        source_id = connection.execute(
            insert(models.sources).values(source).returning(models.sources.c.id)
        ).scalar_one()
        reject = {"source_id": source_id, "position": 0, "reason": HOSTILE, "line": b"", "arrived_at": now}
        connection.execute(insert(models.rejects), [reject])


def test_connections_appear_while_one_watches(page: Any, ledger: Database) -> None:
    """An empty ledger says No Data; connections that arrive are shown, counted beyond the list, and Live."""
    page.wait_for("document.querySelector('#age').textContent === 'No Data'")
    assert page.evaluate("!document.querySelector('#connections-empty').hidden")
    connect(ledger, [f"198.51.100.{n}" for n in range(250)])
    page.wait_for("document.querySelectorAll('#connection-rows tr').length === 200")
    page.wait_for("document.querySelector('[data-figure=recent]').textContent === '250'")
    assert page.text("#age") == "Live"
    assert page.text("#link") == "streaming"
    assert "250 in the last minute" in page.text("#connections-note")
    assert "198.51.100.249" in page.text("#connection-rows tr")
    page.wait_for("document.querySelectorAll('#host-rows tr').length === 100")
    assert page.messages == []


def test_hostile_text_is_shown_and_runs_nothing(page: Any, ledger: Database) -> None:
    """Names, banners and the like, as hostile as they can be, are text on the page and in a host's dialog."""
    poison(ledger, "198.51.100.7")
    connect(ledger, ["198.51.100.7"], process=HOSTILE)
    page.wait_for("document.querySelector('#reject-rows').children.length")
    page.evaluate("document.querySelector('#rejects').open = true")
    for selector in ("#connection-rows", "#host-rows", "#source-rows", "#reject-rows"):
        page.wait_for(f"document.querySelector('{selector}').innerText.includes({json.dumps(HOSTILE)})")
    page.evaluate("document.querySelector('#host-rows button').click()")
    page.wait_for("document.querySelector('#host').open")
    assert HOSTILE in page.text("#host-body")
    assert page.evaluate("window.owned") is None
    assert page.evaluate("document.querySelectorAll('main img, main script, dialog img, dialog script').length") == 0
    assert page.messages == []


def test_policy_stops_what_would_get_in(page: Any) -> None:
    """Even with a hole in the page, an inline script does not run: the policy is in force."""
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.owned=1\">')")
    time.sleep(0.5)
    assert page.evaluate("window.owned") is None
    assert any("Content Security Policy" in message for message in page.messages)


def test_server_gone_is_said_and_forgiven(page: Any, ledger: Database, dashboard: Any) -> None:
    """When the server stops, the page says so and keeps what it has; when it is back, the page goes on by itself."""
    connect(ledger, ["198.51.100.7"])
    page.wait_for("document.querySelectorAll('#connection-rows tr').length === 1")
    assert dashboard.stop() == 0
    page.wait_for("!document.querySelector('#trouble').hidden", seconds=20)
    assert "does not answer" in page.text("#trouble")
    assert "198.51.100.7" in page.text("#connection-rows")
    dashboard.start()
    page.wait_for("document.querySelector('#trouble').hidden", seconds=30)
    assert page.text("#link") in {"streaming", "polling"}


def test_phone_dark_and_docs(page: Any, ledger: Database, dashboard: Any, tmp_path: Path) -> None:
    """At a phone's width nothing is cut off sideways; dark is dark; /docs lists every route and loads nothing from elsewhere."""
    connect(ledger, [f"2001:db8:aaaa:bbbb:cccc:dddd:eeee:{n:x}" for n in range(20)])
    page.wait_for("document.querySelectorAll('#connection-rows tr').length === 20")
    page.resize(360, 800)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.resize(1200, 800, dark=True)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(12, 17, 29)"
    page.screenshot(tmp_path / "page.png")
    assert (tmp_path / "page.png").stat().st_size > 10_000
    page.go(f"{dashboard.url}docs")
    page.wait_for("document.querySelectorAll('article').length >= 9")
    shown = page.text("#operations")
    for path in ("/api/data", "/api/hosts/{ip}", "/api/stream", "/metrics"):
        assert path in shown
    loaded = page.evaluate("performance.getEntriesByType('resource').map((entry) => new URL(entry.name).host)")
    assert set(loaded) == {dashboard.url.split("/")[2]}
    assert page.messages == []
