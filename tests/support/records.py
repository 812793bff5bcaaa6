"""What a batch holds, in the form tests compare."""

import json
from typing import Any

from cobalt_tasks.ingest.batch import Batch


def rows(batch: Batch) -> list[tuple[Any, ...]]:
    """Return the rows of all connections, as (time, source, port, destination, port, protocol, identity, details)."""
    found = [(row[1], *row[3:8], row[9], row[10]) for row in batch.observations]
    if isinstance(batch.identified, dict):
        for each in batch.identified.values():
            ends = (each.src_ip, each.src_port, each.dst_ip, each.dst_port, each.protocol)
            found.append((each.observed_at, *ends, each.identity, each.details))
        return found
    return found + [(row[1], *row[3:8], row[9], row[10]) for row in batch.identified]


def connections(batch: Batch) -> list[tuple[Any, ...]]:
    """Return (source, its port, destination, its port, protocol) of each connection."""
    return [row[1:6] for row in rows(batch)]


def times(batch: Batch) -> list[float]:
    """Return the start of each connection."""
    return [row[0] for row in rows(batch)]


def details(batch: Batch) -> list[dict[str, Any]]:
    """Return the details of each connection."""
    return [json.loads(row[7]) if row[7] else {} for row in rows(batch)]


def names(batch: Batch) -> set[tuple[str, str, str]]:
    """Return the names of hosts, as (address, name, source)."""
    return {(each.address, each.name, each.source) for each in batch.hostnames}
