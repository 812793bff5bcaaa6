"""Exports over HTTP: what a list shows, streamed."""

import csv
import io
import json
import socket
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import insert

from cobalt_tasks.core.changes import Change, ChangeKind
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db import tables as models
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts import changes
from cobalt_tasks.views.dashboard.routes.export import AT_ONCE
from cobalt_tasks.views.exports.registry import FORMATS
from tests.integration.storage.test_certificates import certificate, seen
from tests.integration.storage.test_certificates import write as write_certificates
from tests.integration.views.conftest import get
from tests.support.waiting import PATIENCE, wait_until

Serving = Callable[[Settings], Any]

HOSTS = 20_000


@pytest.fixture
def many(sqlite_database: Database) -> Database:
    """20,000 hosts, every fourth of them in Germany, with findings of two rules, two changes, and a certificate that is renewed."""
    now = time.time()
    addresses = [f"198.{18 + (number >> 16)}.{number >> 8 & 255}.{number & 255}" for number in range(HOSTS)]
    hosts = [{"address": each, "first_seen": 1.0, "last_seen": now, "discovered": True} for each in addresses]
    located = [
        {"address": each, "provider": "mmdb", "fetched_at": 1.0, "country_code": "DE", "organisation": "=1+1"}
        for each in addresses[::4]
    ]
    same = {
        "source": "scan",
        "observed_at": now,
        "rule_version": "v1",
        "subject": "tcp/23",
        "detail": "",
        "points": 0.3,
    }
    found = [{**same, "address": addresses[0], "rule": rule} for rule in ("risky_port", "weak_key")]
    with sqlite_database.writing() as connection:
        connection.execute(insert(models.hosts), hosts)
        connection.execute(insert(models.locations), located)
        connection.execute(insert(models.findings), found)
    new = [
        Change(kind=kind, address=addresses[0], protocol="tcp", port=21, observed_at=now)
        for kind in (ChangeKind.PORT_CLOSED, ChangeKind.PORT_OPENED)
    ]
    sqlite_database.write(changes.write, new)
    read = dict.fromkeys(("read", "accepted", "duplicates", "ignored"), 0)
    times = {"created_at": now, "updated_at": now}
    with sqlite_database.writing() as connection:
        for number in (1, 2):
            own = {"id": number, "name": f"source {number}", "generation": 1, "format": "capture", "position": 9}
            connection.execute(insert(models.sources), [{**own, **read, **times, "rejected": number}])
            refused = {"source_id": number, "reason": "=no JSON", "arrived_at": now, "line": b"x"}
            connection.execute(insert(models.rejects), [{**refused, "position": place} for place in range(number)])
    write_certificates(sqlite_database, [certificate(1, 10), certificate(2, 90)], [seen(1, 9), seen(2, 1)])
    return sqlite_database


def test_an_export_is_what_the_list_shows(many: Database, sqlite_settings: Settings, serving: Serving) -> None:
    """All rows of a query with the columns that are shown, in every format; formulas stay text; filters narrow it too.

    Break: `_narrowed` in routes/export.py.
    """
    with serving(sqlite_settings) as url:
        answer = get(f"{url}/api/export?q=country:DE&columns=address,organisation")
        every = get(f"{url}/api/export?format=ndjson")
        closed = get(f"{url}/api/export?table=changes&format=ndjson&kind=port closed")
        later = get(f"{url}/api/export?table=changes&format=ndjson&since={time.time() + 60}")
        weak = get(f"{url}/api/export?table=findings&format=ndjson&rule=weak_key&q=finding:weak_key")
        used = get(f"{url}/api/export?table=certificates&format=ndjson&in_use=true")
        sources = get(f"{url}/api/export?table=sources&columns=name,rejected")
        refused = get(f"{url}/api/export?table=rejects&format=ndjson&source=2")
        listed = get(f"{url}/api/export/formats").json()["items"]
        for form in listed:
            whole = get(f"{url}/api/export?table={form['tables'][0]}&format={form['name']}&q=net:198.18.0.0/28")
            assert whole.status_code == 200, form
            assert whole.headers["content-type"].startswith(form["media_type"].partition(";")[0])
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len({row["address"] for row in rows}) == len(rows) == HOSTS // 4
    assert {(tuple(row), row["organisation"]) for row in rows} == {(("address", "organisation"), "'=1+1")}
    assert answer.headers["content-disposition"] == 'attachment; filename="cobalt-hosts.csv"'
    assert len(every.text.splitlines()) == HOSTS
    assert [json.loads(line)["kind"] for line in closed.text.splitlines()] == ["port closed"]
    assert later.text == ""
    assert [json.loads(line)["rule"] for line in weak.text.splitlines()] == ["weak_key"]
    assert [int(json.loads(line)["fingerprint"], 16) for line in used.text.splitlines()] == [2]
    assert sources.text.split() == ["name,rejected", "source", "1,1", "source", "2,2"]
    assert [(row["source"], row["position"]) for row in map(json.loads, refused.text.splitlines())] == [
        ("source 2", 0),
        ("source 2", 1),
    ]
    assert [each["name"] for each in listed] == list(FORMATS)


def test_what_cannot_be_exported_is_refused_at_once(
    sqlite_database: Database, sqlite_settings: Settings, serving: Serving
) -> None:
    """A query, a column or a table that cannot be: 422 with the reason, and no file."""
    with serving(sqlite_settings) as url:
        for query, reason in (
            ("q=port:22 cuntry:DE", "column 9"),
            ("columns=address,score,address", "named more than once"),
            ("columns=address,nothing", "no column 'nothing'"),
            ("table=jobs&q=port:22", "cannot be searched"),
            ("table=ports&format=geojson", "geojson"),
        ):
            refused = get(f"{url}/api/export?{query}")
            assert (refused.status_code, reason in refused.json()["detail"]) == (422, True), refused.text
        assert get(f"{url}/api/export?format=exe").status_code == 422


def test_exports_without_a_reader_end_and_make_room(
    many: Database, sqlite_settings: Settings, serving: Serving
) -> None:
    """Exports at once are bounded, pages are answered beside them, and a reader that leaves makes room for the next.

    Break: `release` in _ExportResponse.
    """
    with serving(sqlite_settings) as url:
        port = urlsplit(url).port
        readers = []
        for _ in range(AT_ONCE):
            reader = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.sendall(f"GET /api/export?format=ndjson HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
            assert reader.recv(12) == b"HTTP/1.1 200"
            readers.append(reader)
        assert get(f"{url}/api/export").status_code == 503
        assert get(f"{url}/api/hosts?limit=1").status_code == 200
        for reader in readers:
            reader.close()
        wait_until(lambda: get(f"{url}/api/export?q=net:198.18.0.1").status_code == 200, "the exports have ended")
