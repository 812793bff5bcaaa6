"""Reads an input as ingest would, without a ledger, and shows what came of it."""

import json
from typing import Any

from cobalt_tasks.core import settings
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.derive import Planner
from cobalt_tasks.ingest.formats import recognise
from tests.support.rows import connection_rows

NOW = 1_800_000_000.0
Row = dict[str, Any]

EVE_FLOW: Row = {
    "timestamp": "2026-05-12T10:00:00.000000+0000",
    "event_type": "flow",
    "flow_id": 1,
    "src_ip": "192.0.2.2",
    "src_port": 4444,
    "dest_ip": "203.0.113.53",
    "dest_port": 53,
    "proto": "UDP",
}
"""A connection as Suricata writes it."""


def read(text: str | bytes, name: str | None = None) -> Batch:
    """Read an input as the format it is recognised as, which is `name` if that is given."""
    data = text.encode() if isinstance(text, str) else text
    chosen = recognise(data)
    assert chosen is not None
    assert name in {None, chosen.name}
    parser = chosen()
    batch = Batch(1, NOW, parser.tool)
    cut = parser.split(data)
    parser.parse(data[:cut], 0, batch)
    state = parser.state
    parser = chosen()
    parser.state = state
    if data[cut:].strip():
        parser.parse(data[cut:], cut, batch)
    return batch


def lines(*records: Row) -> str:
    """Return one object a line."""
    return "".join(json.dumps(each) + "\n" for each in records)


def connections(batch: Batch) -> list[tuple[Any, ...]]:
    """Return (source, its port, target, its port, protocol) of each connection."""
    return [(row[3], row[4], row[5], row[6], row[7]) for row in connection_rows(batch)]


def details(batch: Batch) -> list[Row]:
    """Return the details of each connection."""
    return [json.loads(row[10] or "{}") for row in connection_rows(batch)]


def services(batch: Batch) -> dict[tuple[str, int], tuple[str | None, str | None, str | None]]:
    """Return service, product and version of each port, as they are stored."""
    found = Planner(settings.load({"COBALT_HOME": "/nowhere"})).plan(batch).facts.banners
    return {(each.address, each.port): (each.service, each.product, each.version) for each in found}


def ports(batch: Batch) -> list[tuple[str, str, int]]:
    """Return (address, protocol, port) of each discovery."""
    return [(row[1], row[2], row[3]) for row in batch.discoveries]


def about(batch: Batch) -> list[Row]:
    """Return the details of each discovery."""
    return [json.loads(row[9] or "{}") for row in batch.discoveries]


def names(batch: Batch) -> set[tuple[str, str]]:
    """Return (address, name)."""
    return {(each.address, each.name) for each in batch.hostnames}
