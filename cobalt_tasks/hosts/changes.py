"""Changes: written with the facts, in their transaction, so that each exists exactly once; and read page by page.

What a scan reports of a host for the first time is one change; so is all that the first scan of a network finds there.
"""

import ipaddress
import time
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec
from sqlalchemy import (
    BigInteger,
    Connection,
    Dialect,
    Double,
    Executable,
    Text,
    bindparam,
    func,
    insert,
    select,
    text,
    true,
    update,
)

from cobalt_tasks.core.changes import Change, ChangeKind
from cobalt_tasks.core.durations import DAY
from cobalt_tasks.db.bulk import encode, insert_into, one_of, rows_of
from cobalt_tasks.db.tables import changes, scanned_networks
from cobalt_tasks.db.tables.changes import OF_NETWORKS

Row = dict[str, Any]

PROBE: Final = 0
"""The source of what a probe of our own found."""

_FIRST_SECONDS: Final = DAY
"""For how long what one input reports of a host or network belongs to its first report."""

# Built once: input runs them for each batch.
_LATEST: Final = changes.c.recorded_at > bindparam("since", type_=Double())
_SUMMARY: Final = (
    select(changes.c.id, changes.c.details)
    # Written out, so that the index of these changes serves.
    .where(text(OF_NETWORKS), changes.c.source_id == bindparam("source", type_=BigInteger()), _LATEST)
    .order_by(changes.c.id.desc())
    .limit(1)
)
_SET_DETAILS: Final = update(changes).where(changes.c.id == bindparam("of_id")).values(details=bindparam("details"))

_COLUMNS: Final = {column.name: column.type for column in changes.columns if column.name != "id"}

_PORTS_LISTED: Final = 50
_LOCK: Final = 0x6368616E6765
"""PostgreSQL's advisory lock around writing changes: the word change in hexadecimal."""


def write(connection: Connection, found: Sequence[Change], source_id: int = PROBE) -> None:
    """Store changes; call it last in a transaction: readers go by id, so ids must be committed in their order.

    found: what differs; source_id: the input that reports it.
    """
    if not found:
        return
    lock_order(connection)
    now = time.time()
    rest = found if source_id == PROBE else _without_first_reports(connection, found, source_id, now)
    if rest:
        rows = [_row(each, source_id, now) for each in rest]
        connection.execute(_insert_many(connection.dialect), encode([row[name] for name in _COLUMNS] for row in rows))


def lock_order(connection: Connection) -> None:
    """Lock out other processes that write changes, until the transaction ends."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))


@lru_cache(4)
def _insert_many(dialect: Dialect) -> Executable:
    """Return the statement that stores the changes in `ROWS`, whose ids go up in their order."""
    return insert(changes).from_select(list(_COLUMNS), select(rows_of(dialect, "given", _COLUMNS)))


def _row(change: Change, source_id: int, now: float, details: str | None = None) -> Row:
    return {**msgspec.structs.asdict(change), "source_id": source_id, "recorded_at": now, "details": details}


def _without_first_reports(connection: Connection, found: Sequence[Change], source_id: int, now: float) -> list[Change]:
    """Write the first reports of hosts and networks; return the other changes."""
    first_kinds = (ChangeKind.HOST_FOUND, ChangeKind.PORT_OPENED)
    new = [each for each in found if each.kind in first_kinds]
    if not new:
        return list(found)
    networks = [_network(each.address) for each in new]
    first = _first_networks(connection, set(networks), source_id, now)
    within = [each for each, network in zip(new, networks, strict=True) if network in first]
    if within:
        _add_to_summary(connection, within, source_id, now)
    others = [each for each, network in zip(new, networks, strict=True) if network not in first]
    opened = _add_to_hosts(connection, others, source_id, now)
    return [each for each in found if each.kind not in first_kinds] + opened


def _network(address: str) -> str:
    if ":" not in address:
        return address.rstrip("0123456789") + "0/24"
    return str(ipaddress.ip_network((address, 64), strict=False))


def _first_networks(connection: Connection, networks: set[str], source_id: int, now: float) -> set[str]:
    """Return those of the networks that this source was the first to report, of late; note those that none did."""
    note, find = _network_statements(connection.dialect)
    values = encode([network] for network in sorted(networks)) | {"source": source_id}
    if connection.execute(note, values | {"now": now}).rowcount == len(networks):
        return networks
    return set(connection.execute(find, values | {"since": now - _FIRST_SECONDS}).scalars())


@lru_cache(4)
def _network_statements(dialect: Dialect) -> tuple[Executable, Executable]:
    """Return the statements that note the networks in `ROWS` for a source, and that find those it was the first to report."""
    given = rows_of(dialect, "given", {"network": Text()})
    source = bindparam("source", type_=BigInteger())
    new = select(given.c.network, source, bindparam("now", type_=Double())).where(true())
    note = insert_into(dialect, scanned_networks).from_select(["network", "source_id", "found_at"], new)
    find = select(scanned_networks.c.network).join(given, given.c.network == scanned_networks.c.network)
    is_first = scanned_networks.c.source_id == source, scanned_networks.c.found_at > bindparam("since", type_=Double())
    return note.on_conflict_do_nothing(), find.where(*is_first)


def _add_to_summary(connection: Connection, within: Sequence[Change], source_id: int, now: float) -> None:
    hosts = sum(each.kind is ChangeKind.HOST_FOUND for each in within)
    ports = len(within) - hosts
    kind = ChangeKind.NETWORKS_SCANNED
    known = connection.execute(_SUMMARY, {"source": source_id, "since": now - _FIRST_SECONDS}).first()
    if known is None:
        at = min(each.observed_at for each in within)
        row = _row(Change(kind=kind, address="", observed_at=at), source_id, now, _json(hosts=hosts, ports=ports))
        connection.execute(insert(changes), row)
        return
    before = msgspec.json.decode(known.details)
    details = _json(hosts=before["hosts"] + hosts, ports=before["ports"] + ports)
    connection.execute(_SET_DETAILS, {"of_id": known.id, "details": details})


def _add_to_hosts(connection: Connection, new: Sequence[Change], source_id: int, now: float) -> list[Change]:
    """Write the hosts found, with their ports, also those of a host found shortly before; return the other ports."""
    if not new:
        return []
    ports: dict[str, list[str]] = defaultdict(list)
    for each in new:
        if each.kind is ChangeKind.PORT_OPENED:
            ports[each.address].append(f"{each.port}/{each.protocol}")
    hosts = [each for each in new if each.kind is ChangeKind.HOST_FOUND]
    rows = [_row(each, source_id, now, _listed([], ports.pop(each.address, []))) for each in hosts]
    if rows:
        connection.execute(insert(changes), rows)
    chosen = select(changes.c.id, changes.c.address, changes.c.details).where(
        one_of(connection, changes.c.address, sorted(ports)),
        changes.c.kind == ChangeKind.HOST_FOUND,
        changes.c.source_id == source_id,
        changes.c.recorded_at > now - _FIRST_SECONDS,
    )
    known = connection.execute(chosen).all() if ports else []
    if known:
        more = [
            {"of_id": row.id, "details": _listed(*_parts(row.details), ports.pop(row.address, []))} for row in known
        ]
        connection.execute(_SET_DETAILS, more)
    return [each for each in new if each.address in ports and each.kind is ChangeKind.PORT_OPENED]


def _parts(details: str) -> tuple[list[str], int]:
    known = msgspec.json.decode(details)
    return known["ports"], known["count"]


def _listed(before: list[str], *rest: Any) -> str:
    """Return the ports of a host as JSON text: the first of them, and how many there are."""
    count, more = rest if len(rest) == 2 else (len(before), rest[0])  # noqa: PLR2004
    return _json(ports=[*before, *more][:_PORTS_LISTED], count=count + len(more))


def _json(**values: object) -> str:
    return msgspec.json.encode(values).decode()


# Reading -------------------------------------------------------------------------------------------------------------


def page(  # noqa: PLR0913  # which changes
    connection: Connection,
    limit: int,
    *,
    since: float | None = None,
    address: str | None = None,
    kinds: Sequence[str] = (),
    before: int | None = None,
    after: int | None = None,
    above: int | None = None,
) -> list[Row]:
    """Return changes: the newest first, or those after `after` from the oldest.

    Args:
        connection: a connection to the ledger.
        limit: rows at most.
        since: only those recorded at this time (epoch seconds) or later; None: all.
        address: only those of this host; None: all.
        kinds: only these; empty: all.
        before: only those with smaller ids: the rest of a list; None: from the newest.
        after: only those with larger ids, oldest first: what is new since a reader came there; None: newest first.
        above: only those with larger ids, in either order; None: all.

    """
    chosen = select(changes)
    if since is not None:
        chosen = chosen.where(changes.c.recorded_at >= since)
    if address is not None:
        chosen = chosen.where(changes.c.address == address)
    if kinds:
        chosen = chosen.where(changes.c.kind.in_(kinds))
    if above is not None:
        chosen = chosen.where(changes.c.id > above)
    if before is not None:
        chosen = chosen.where(changes.c.id < before)
    if after is not None:
        chosen = chosen.where(changes.c.id > after).order_by(changes.c.id)
    else:
        chosen = chosen.order_by(changes.c.id.desc())
    rows = connection.execute(chosen.limit(limit)).mappings()
    return [{**row, "details": msgspec.json.decode(row["details"]) if row["details"] else None} for row in rows]


def kinds_since(connection: Connection, since: float, limit: int) -> dict[str, int]:
    """Return how many changes of each kind were recorded since.

    Args:
        connection: to the ledger.
        since: epoch seconds.
        limit: changes that are counted at most, the newest.

    """
    newest = select(changes.c.kind).where(changes.c.recorded_at >= since).order_by(changes.c.recorded_at.desc())
    some = newest.limit(limit).subquery()
    rows = connection.execute(select(some.c.kind, func.count()).group_by(some.c.kind))
    return {row[0]: row[1] for row in rows}


def last_input(connection: Connection) -> float:
    """Return when the first change of the input was recorded that changed anything last, in epoch seconds; 0: none did."""
    latest = select(changes.c.source_id, changes.c.recorded_at).where(changes.c.source_id != PROBE)
    newest = connection.execute(latest.order_by(changes.c.id.desc()).limit(1)).first()
    if newest is None:
        return 0.0
    since = select(changes.c.recorded_at).where(
        changes.c.source_id == newest.source_id, changes.c.recorded_at > newest.recorded_at - _FIRST_SECONDS
    )
    return float(connection.execute(since.order_by(changes.c.id).limit(1)).scalar_one())
