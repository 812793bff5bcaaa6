"""What a whole scan covered and did not report, where the user names what it covered (`cobalt ingest --covers`)."""

from collections.abc import Iterable
from ipaddress import ip_network
from typing import Final

from msgspec import Struct, structs
from sqlalchemy import Connection, false, func, literal, select, tuple_

from cobalt_tasks.core.addresses import sort_keys
from cobalt_tasks.core.changes import ChangeKind
from cobalt_tasks.core.coverage import Ports, ScanCoverage, has
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import discoveries, hosts, ports
from cobalt_tasks.hosts import changes, port_states
from cobalt_tasks.threat import unscored

_AT_ONCE: Final = 2_000
"""Ports looked at in one transaction."""


class Settled(Struct, frozen=True, kw_only=True):
    """How many ports a scan closed, and how many it did not confirm."""

    closed: int = 0
    unconfirmed: int = 0


class _Page(Struct, frozen=True, kw_only=True):
    """Ports of a network that are still to be settled.

    `after`: sort key of the address, protocol, port; `until`: the last sort key; `ports`: those that were scanned; `began`:
    when the scan reported its first port, in epoch seconds.
    """

    after: tuple[str, str, int]
    until: str
    ports: Ports
    began: float


def apply(database: Database, source_id: int, covers: Iterable[ScanCoverage], now: float) -> Settled:
    """Settle the ports that a scan covered and did not report. To do so again changes nothing.

    Args:
        database: the ledger.
        source_id: the input, of which every record was read.
        covers: what the scan covered.
        now: epoch seconds; the time of a scan that reported nothing.

    """
    with database.reading() as connection:
        # What was seen since its first report may be open: a scan is no moment.
        first = select(func.min(discoveries.c.observed_at)).where(discoveries.c.source_id == source_id)
        began = min(connection.execute(first).scalar() or now, now)
    done = Settled()
    for coverage in covers:
        for network in coverage.networks:
            low, high = sort_keys(ip_network(network))
            page: _Page | None = _Page(after=(low, "", 0), until=high, ports=coverage.ports, began=began)
            while page is not None:
                page, settled = database.write(_settle, source_id, page)
                done = Settled(closed=done.closed + settled.closed, unconfirmed=done.unconfirmed + settled.unconfirmed)
    return done


def close_reported(database: Database, source_id: int) -> int:
    """Close the ports that a whole input reported closed; return how many.

    database: the ledger; source_id: the input.
    """
    return database.write(_close_reported, source_id)


def _close_reported(connection: Connection, source_id: int) -> int:
    found = port_states.finish(connection, source_id)
    changes.write(connection, found, source_id)
    unscored.queue(connection, {each.address for each in found})
    return len(found)


def _settle(connection: Connection, source_id: int, page: _Page) -> tuple[_Page | None, Settled]:
    """Settle the next ports of a network for the input `source_id`; return the rest of them, None at the end."""
    order = (hosts.c.address_key, ports.c.protocol, ports.c.port)
    chosen = select(
        *order,
        ports.c.address,
        ports.c.unconfirmed_since,
        literal(page.began).label("observed_at"),
        false().label("is_rest_closed"),
    ).join(hosts, hosts.c.address == ports.c.address)
    chosen = chosen.where(
        hosts.c.address_key.between(page.after[0], page.until),
        tuple_(*order) > page.after,
        ports.c.protocol.in_(page.ports),
        *port_states.is_open_before(page.began),
    )
    rows = connection.execute(chosen.order_by(*order).limit(_AT_ONCE).with_for_update(of=ports)).all()
    absent = [row for row in rows if has(page.ports, row.protocol, row.port)]
    new = sum(row.unconfirmed_since is None and row.protocol not in port_states.MAYBE_OPEN for row in absent)
    found = port_states.settle(connection, absent)
    changes.write(connection, found, source_id)
    unscored.queue(connection, {each.address for each in found})
    closed = sum(each.kind is ChangeKind.PORT_CLOSED for each in found)
    rest = None
    if len(rows) == _AT_ONCE:
        rest = structs.replace(page, after=(rows[-1].address_key, rows[-1].protocol, rows[-1].port))
    return rest, Settled(closed=closed, unconfirmed=new)
