"""Hosts for people and programs: a list, and one in full."""

from typing import Any

from cobalt_tasks.errors import CobaltError
from cobalt_tasks.settings import Settings
from cobalt_tasks.storage import inventory, traffic
from cobalt_tasks.storage.engine import Database
from cobalt_tasks.views import unchecked

_CONNECTIONS_SHOWN = 50


class UnknownHostError(CobaltError):
    """The ledger knows no such host."""


def host_list(
    database: Database, limit: int, only: inventory.Filter, order: inventory.Order = inventory.Order.LAST_SEEN
) -> list[dict[str, Any]]:
    """Return hosts in an order: score, location, names, ports with their services."""
    with database.reading() as connection:
        return inventory.page(connection, limit, only=only, order=order)


def host(database: Database, address: str, settings: Settings) -> dict[str, Any]:
    """Return all that is known about a host, its latest connections, and what was not looked at.

    Args:
        database: the ledger.
        address: the host's address in canonical form.
        settings: they decide which providers and rules there are.

    Raises:
        UnknownHostError: nothing was ever seen of it.

    """
    with database.reading() as connection:
        known = inventory.one(connection, address)
        if known is None:
            raise UnknownHostError(f"the ledger knows no host {address}")
        connections = traffic.connections_of(connection, address, _CONNECTIONS_SHOWN)
    return {**known, "connections": connections, "not_checked": unchecked.of_host(known, settings)}


def empty_note(database: Database, only: inventory.Filter, order: inventory.Order) -> str:
    """Return why a list of hosts has none, in one sentence.

    Args:
        database: the ledger.
        only: the filter of the list.
        order: its order; by score, hosts that nothing speaks against are left out.

    """
    with database.reading() as connection:
        if not inventory.has_hosts(connection):
            return "No hosts yet: cobalt ingest brings them."
        if order is inventory.Order.SCORE:
            if not inventory.has_scores(connection):
                return "No host is scored yet: workers do it (cobalt up), or cobalt score --recompute."
            if inventory.page(connection, 1, only=only):
                return "No evidence was found against any host that matches."
    return "No host matches."
