"""Hosts with very much known about them: the API's documents stay small, and everything can be had page by page."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import insert

from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db import tables as models
from cobalt_tasks.db.engine import Database
from tests.integration.views.conftest import get

ADDRESS = "2001:db8::7"
COUNT = 600
# What JSON makes six characters of.
HOSTILE = "\x1b" * 20_000


@pytest.fixture
def large(sqlite_database: Database) -> Database:
    """A host with hundreds of ports, each with a long banner, certificates with hundreds of names, names and jobs."""
    now = time.time()
    seen = {"address": ADDRESS, "first_seen": now, "last_seen": now}
    names = [f"host-{number}.example" for number in range(500)]
    said = {"subject": HOSTILE, "issuer": HOSTILE, "serial": "1", "not_before": 0.0, "not_after": now}
    with sqlite_database.writing() as connection:
        connection.execute(insert(models.hosts), [{**seen, "discovered": True}])
        for number in range(COUNT):
            port = {"protocol": "tcp", "port": number}
            told = {"service": "ssh", "product": HOSTILE}
            connection.execute(insert(models.ports), [{**seen, **port, **told, "banner": HOSTILE}])
            banner = {**seen, **port, **told, "source": "probe", "text": HOSTILE, "raw": b"", "digest": str(number)}
            connection.execute(insert(models.banners), [known(models.banners, banner)])
            mark = f"{number:064}"
            certificate = {**said, "fingerprint": mark, "der": b"0", "self_signed": False, "names": json.dumps(names)}
            connection.execute(insert(models.certificates), [known(models.certificates, {**certificate, **seen})])
            connection.execute(insert(models.sightings), [{**seen, **port, "fingerprint": mark, "source": "probe"}])
            connection.execute(insert(models.hostnames), [{**seen, "name": f"{number}.example", "source": "ptr"}])
    return sqlite_database


def known(table: Any, row: dict[str, Any]) -> dict[str, Any]:
    """The columns of a row that a table has."""
    return {name: value for name, value in row.items() if name in table.c}


def test_a_large_host_is_a_small_document(
    large: Database, sqlite_settings: Settings, serving: Callable[[Settings], Any]
) -> None:
    """Lists end at a hundred rows and say how many there are; long texts are cut and say so; nothing is tens of MB."""
    with serving(sqlite_settings) as url:
        answer = get(f"{url}/api/hosts/{ADDRESS}")
        most = get(f"{url}/api/hosts/{ADDRESS}?limit=500")
    assert len(answer.content) < 4_000_000
    assert len(most.content) < 20_000_000
    host = answer.json()
    for name in ("ports", "banners", "certificates", "hostnames"):
        assert (len(host[name]), host["totals"][name]) == (100, COUNT), name
        assert host["next"][name].startswith(f"/api/hosts/{ADDRESS}/{name}?after=")
    assert host["totals"]["jobs"] == 0
    assert "jobs" not in host["next"]
    assert len(host["banners"][0]["text"]) == 1000
    assert "text" in host["banners"][0]["cut"]
    assert len(host["certificates"][0]["names"]) == 50
    assert set(host["certificates"][0]["cut"]) == {"subject", "issuer", "names"}
    assert "cut" not in host["hostnames"][0]


def test_every_row_of_a_large_host_can_be_had(
    large: Database, sqlite_settings: Settings, serving: Callable[[Settings], Any]
) -> None:
    """`next` leads through all rows of a list, each once; with `whole` texts are not cut."""
    with serving(sqlite_settings) as url:
        for name, key in (("ports", "port"), ("banners", "port"), ("certificates", "port"), ("hostnames", "name")):
            host = get(f"{url}/api/hosts/{ADDRESS}?limit=250").json()
            seen, following = [row[key] for row in host[name]], host["next"][name]
            while following:
                page = get(f"{url}{following}&limit=250").json()
                seen += [row[key] for row in page["items"]]
                following = page["next"] and f"/api/hosts/{ADDRESS}/{name}?after={page['next']}"
                assert page["total"] == COUNT
            assert len(seen) == len(set(seen)) == COUNT, name
        page = get(f"{url}/api/hosts/{ADDRESS}/banners?limit=500&whole=true").json()
        assert [row["text"] for row in page["items"]] == [HOSTILE] * 10
        assert page["next"]
        for path, status in (
            (f"{ADDRESS}/nonsense", 422), (f"{ADDRESS}/ports?after=x", 422), ("x/ports", 422),
            ("198.51.100.99/ports", 404), (f"{ADDRESS}/ports?after={page['next']}", 422), (f"{ADDRESS}?limit=501", 422),
        ):  # fmt: skip
            assert get(f"{url}/api/hosts/{path}").status_code == status, path
