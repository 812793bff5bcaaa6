"""Hosts for people and programs: a list, and one in full."""

from typing import Any

from cobalt_tasks.errors import CobaltError
from cobalt_tasks.storage import inventory, traffic
from cobalt_tasks.storage.engine import Database

_CONNECTIONS_SHOWN = 50


class UnknownHostError(CobaltError):
    """The ledger knows no such host."""


def host_list(
    database: Database, limit: int, only: inventory.Filter, order: inventory.Order = inventory.Order.LAST_SEEN
) -> list[dict[str, Any]]:
    """Return hosts in an order: score, location, names, ports with their services."""
    with database.reading() as connection:
        return inventory.page(connection, limit, only=only, order=order)


def host(database: Database, address: str) -> dict[str, Any]:
    """Return all that is known about a host, its connections of late among it. The address is canonical.

    Raises:
        UnknownHostError: nothing was ever seen of it.

    """
    with database.reading() as connection:
        known = inventory.one(connection, address)
        if known is None:
            raise UnknownHostError(f"the ledger knows no host {address}")
        return {**known, "connections": traffic.connections_of(connection, address, _CONNECTIONS_SHOWN)}
