"""The connections of a batch as rows of the table, whether they have an identity or not."""

from typing import Any

from cobalt_tasks.ingest.batch import Batch


def connection_rows(batch: Batch) -> list[tuple[Any, ...]]:
    """Return tuples in the order of the columns of `observations`, without the id."""
    identified = [
        (
            *(batch.source_id, each.observed_at, batch.arrived_at, each.src_ip, each.src_port, each.dst_ip),
            *(each.dst_port, each.protocol, each.process, each.identity, each.details),
        )
        for each in batch.identified.values()
    ]
    return [*batch.observations, *identified]
