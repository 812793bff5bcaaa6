"""Hosts that a tool saw on a network, without a port: neighbours, leases, answers of the DNS."""

from collections.abc import Mapping
from typing import Any

from cobalt_tasks.core.records import Discovery
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch


def add(  # noqa: PLR0913  # what is known of a host
    batch: Batch,
    address: str,
    *,
    when: float | None,
    mac: Any = None,
    vendor: Any = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Add a host that was seen: one record.

    Args:
        batch: what it is added to.
        address: the host, canonical.
        when: epoch seconds, None for the arrival.
        mac: its MAC address as the input has it, None if it has none.
        vendor: the manufacturer as the input names it, None if it does not.
        details: what else the input reports; empty values are left out.

    """
    batch.discover(
        Discovery(
            address=address,
            protocol="ip",
            port=0,
            observed_at=when,
            seen_in_traffic=True,
            details=values.rest({"mac": mac, **(details or {})}, ()),
        )
    )
    batch.hardware(address, mac, vendor, when)
