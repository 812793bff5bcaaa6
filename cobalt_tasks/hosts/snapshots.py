"""What one source reported, or all sources of a small ledger: hosts with their names, and ports with their services."""

from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, and_, select

from cobalt_tasks.core.changes import ChangeKind
from cobalt_tasks.db.tables import banners, changes, discoveries, hostnames, hosts, ports

Target = tuple[str, str, int]
"""Address, protocol, port."""

_OPENED = {ChangeKind.PORT_OPENED, ChangeKind.PORT_REOPENED}
_DESCRIBED = {ChangeKind.SERVICE_CHANGED, ChangeKind.PRODUCT_CHANGED, ChangeKind.VERSION_CHANGED}
_AT_ONCE = 10_000


class Snapshot(Struct, kw_only=True):
    """Hosts by address with their names, and open ports with what runs there, '' where that is unknown."""

    hosts: dict[str, set[str]] = {}
    ports: dict[Target, str] = {}


def of_ledger(connection: Connection) -> Snapshot:
    """Return what a whole ledger knows of hosts that scans reported."""
    found = Snapshot(hosts={}, ports={})
    scanned = select(hosts.c.address).where(hosts.c.discovered)
    found.hosts = {address: set() for address in connection.execute(scanned).scalars()}
    for row in connection.execute(select(hostnames.c.address, hostnames.c.name)):
        if row.address in found.hosts:
            found.hosts[row.address].add(row.name)
    columns = (ports.c.address, ports.c.protocol, ports.c.port, ports.c.service, ports.c.product, ports.c.version)
    for *target, service, product, version in connection.execute(
        select(*columns).where(ports.c.closed_since.is_(None))
    ):
        found.ports[tuple(target)] = _words(service, product, version)
    return found


def of_source(connection: Connection, source_id: int) -> Snapshot:
    """Return what one source (`source_id`) of a ledger reported open, with the services that its banners named."""
    found = Snapshot(hosts={}, ports={})
    key = ("address", "protocol", "port")
    same = and_(*(banners.c[name] == discoveries.c[name] for name in key), banners.c.digest == discoveries.c.banner_key)
    columns = (*(discoveries.c[name] for name in key), discoveries.c.banner_key, banners.c.product, banners.c.version)
    chosen = select(*columns).outerjoin(banners, same).where(discoveries.c.source_id == source_id)
    for address, protocol, port, digest, product, version in connection.execute(chosen):
        found.hosts.setdefault(address, set())
        if port:
            words = _words(digest.partition(":")[0], product, version)
            known = found.ports.setdefault((address, protocol, port), words)
            found.ports[address, protocol, port] = max(known, words, key=len)
    return found


def between(connection: Connection, start: float, end: float) -> tuple[Snapshot, Snapshot]:
    """Return what differs between two times (epoch seconds), by the changes recorded after `start`, up to `end`."""
    before, after = Snapshot(hosts={}, ports={}), Snapshot(hosts={}, ports={})
    last = 0
    while True:
        chosen = select(changes).where(changes.c.id > last, changes.c.recorded_at > start, changes.c.recorded_at <= end)
        rows = connection.execute(chosen.order_by(changes.c.id).limit(_AT_ONCE)).mappings().all()
        for row in rows:
            _apply(row, before, after)
        if len(rows) < _AT_ONCE:
            return before, after
        last = rows[-1]["id"]


def _apply(row: Any, before: Snapshot, after: Snapshot) -> None:
    kind, address = ChangeKind(row["kind"]), row["address"]
    target = (address, row["protocol"], row["port"])
    is_known = target in before.ports or target in after.ports
    if kind is ChangeKind.HOST_FOUND:
        after.hosts.setdefault(address, set())
        for port in msgspec.json.decode(row["details"] or '{"ports": []}')["ports"]:
            number, _, protocol = port.partition("/")
            after.ports[address, protocol, int(number)] = ""
    elif kind in _OPENED:
        after.ports[target] = ""
    elif kind is ChangeKind.PORT_CLOSED:
        if not is_known:
            before.ports[target] = ""
        after.ports.pop(target, None)
    elif kind in _DESCRIBED:
        if not is_known:
            before.ports[target] = row["old"] or ""
        after.ports[target] = row["new"] or ""
    elif kind in {ChangeKind.NAME_ADDED, ChangeKind.NAME_GONE}:
        (after if kind is ChangeKind.NAME_ADDED else before).hosts.setdefault(address, set()).add(
            row["new"] or row["old"]
        )
        (before if kind is ChangeKind.NAME_ADDED else after).hosts.setdefault(address, set())


def _words(*parts: str | None) -> str:
    return " ".join(part for part in parts if part)
