"""The lists of a host page by page, while rows come in; and their plans."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import insert
from sqlalchemy.engine import Connection

from cobalt_tasks.db import tables as models
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts import parts
from cobalt_tasks.hosts.parts import PARTS, Page
from cobalt_tasks.views import hosts
from tests.support.plans import plans

ADDRESS = "192.0.2.9"


def rows_of(number: int) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Yield (table, row) for every list of the host; each third has the time of the one before."""
    at = 1_000_000.0 + number // 3
    port = {"protocol": "udp" if number % 2 else "tcp", "port": number // 2}
    seen = {"address": ADDRESS, "first_seen": at, "last_seen": at}
    text = f"{number:03}"
    said = {"subject": "s", "issuer": "i", "serial": "1", "not_before": 0.0, "not_after": at, "self_signed": False}
    state = {"level": 1, "state": "done", "forced": False, "isolated": False, "attempts": 0, "not_before": at}
    weight = {"points": 0.1, "source": "scan", "observed_at": at, "detail": "", "rule_version": "1"}
    yield models.ports, {**seen, **port}
    yield models.banners, {**seen, **port, "source": "probe", "text": text, "raw": b"", "digest": text}
    yield models.certificates, {**said, "fingerprint": text, "der": b"", "names": "[]"}
    yield models.sightings, {**seen, **port, "fingerprint": text, "source": "probe"}
    yield models.hostnames, {**seen, "name": f"{text}.example", "source": "ptr"}
    yield models.hardware_addresses, {**seen, "mac": text, "source": "arp"}
    yield models.jobs, {"kind": "banner", "address": ADDRESS, **port, **state, "created_at": at, "finished_at": at}
    yield models.findings, {"address": ADDRESS, "rule": "risky_port", "subject": text, **weight}


def add(connection: Connection, numbers: range) -> None:
    """Store rows of every list."""
    for number in numbers:
        for table, row in rows_of(number):
            connection.execute(insert(table), [row])


@pytest.fixture
def host(database: Database) -> Database:
    """A ledger with a host that has every second of 60 rows in each list."""
    known = {"address": ADDRESS, "first_seen": 1.0, "last_seen": 2.0, "discovered": True}
    database.write(lambda c: c.execute(insert(models.hosts), [known]))
    database.write(add, range(0, 60, 2))
    return database


def identity(row: dict[str, Any]) -> str:
    """Return a row without what other rows change."""
    return str({name: value for name, value in row.items() if name not in {"counted", "names"}})


def test_rows_that_come_in_meanwhile_move_no_page(host: Database) -> None:
    """What was there when the reading started is read once, each row, however many rows come in before and behind.

    Break: pass over as many rows as were read.
    """
    before = {name: hosts.part(host, ADDRESS, name, Page())["items"] for name in PARTS}
    found: dict[str, list[str]] = {name: [] for name in PARTS}
    marks: dict[str, str | None] = dict.fromkeys(PARTS)
    for turn in range(0, 60, 6):
        for name in PARTS:
            if turn and marks[name] is None:
                continue
            page = hosts.part(host, ADDRESS, name, Page(limit=7), marks[name])
            found[name] += [identity(row) for row in page["items"]]
            marks[name] = page["next"]
        host.write(add, range(turn + 1, turn + 7, 2))
    for name, rows in found.items():
        assert marks[name] is None, f"{name} ends"
        assert len(rows) == len(set(rows)), f"{name}: a row twice"
        assert {identity(row) for row in before[name]} <= set(rows), f"{name}: a row is lost"


def test_pages_behind_a_mark_follow_an_index(host: Database) -> None:
    """No page of any list walks through a table. Break: compare the key without the host's address."""
    for name in PARTS:
        with host.reading() as connection:
            after = parts.part(connection, ADDRESS, name, Page(limit=3)).keys[-1]
            if not host.is_sqlite:
                # The sample is small: a planner would rather read it whole.
                connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            with plans(host) as found:
                parts.part(connection, ADDRESS, name, Page(after=after))
        assert found
        for plan in found:
            assert not re.search(r"Seq Scan|SCAN (?!anon_1|\(subquery)", plan), f"{name}\n{plan}"
