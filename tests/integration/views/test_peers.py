"""With whom a host talks, and on which days."""

import re
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import insert

from cobalt_tasks.core.durations import DAY
from cobalt_tasks.core.settings import Settings
from cobalt_tasks.db import tables as models
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts import peers
from tests.integration.storage.test_plans import plans
from tests.integration.views.conftest import get


def connect(ledger: Database, pairs: list[tuple[str, str, int, float]]) -> None:
    """Write connections (from, to, port, arrival)."""
    same = {"source_id": 1, "src_port": 40000, "protocol": "tcp"}
    rows = [
        {**same, "src_ip": source, "dst_ip": to, "dst_port": port, "arrived_at": at, "observed_at": at}
        for source, to, port, at in pairs
    ]
    with ledger.writing() as connection:
        connection.execute(insert(models.observations), rows)


def test_connections_are_counted_by_peer_and_by_day(
    database: Database, live_settings: Settings, serving: Callable[[Settings], Any]
) -> None:
    """Each peer with the connections of both ways and its ports, the most frequent first. Break: `way` in peers.of_host."""
    today = time.time() // DAY * DAY
    host, one, other = "10.0.0.1", "192.0.2.1", "192.0.2.2"
    talks = [(host, one, 443, today), (host, one, 80, today - DAY), (host, one, 443, today), (other, host, 22, today)]
    connect(database, [*talks, (one, other, 1, today)])
    with serving(live_settings) as url:
        found = get(f"{url}/api/hosts/{host}/traffic").json()
        wrong = get(f"{url}/api/hosts/nothing/traffic")
    assert (found["connections"], found["exact"], found["peers"]) == (4, True, 2)
    assert [(each["address"], each["sent"], each["received"], each["ports"]) for each in found["items"]] == [
        (one, 3, 0, [443, 80]),
        (other, 0, 1, [22]),
    ]
    assert found["days"] == [[today, 3], [today - DAY, 1]]
    assert wrong.status_code == 422


def test_the_connections_of_a_host_are_found_by_an_index(database: Database) -> None:
    """Neither end is found by reading all connections. Break: order them by arrived_at."""
    now = time.time()
    connect(database, [(f"10.0.{n >> 8}.{n & 255}", f"10.1.{n >> 8}.{n & 255}", 443, now) for n in range(3000)])
    with database.writing() as connection:
        connection.exec_driver_sql("ANALYZE")
    with plans(database) as found, database.reading() as connection:
        assert peers.of_host(connection, "10.0.0.7").connections == 1
    walks = [plan for plan in found if re.search(r"SCAN observations$|Seq Scan on observations", plan, re.MULTILINE)]
    assert len(found) >= 2
    assert not walks, "\n\n".join(walks)
