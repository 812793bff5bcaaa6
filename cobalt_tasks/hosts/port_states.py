"""Whether ports are open: closed by scans that looked, and open again by later reports.

A report that a port is open moves `last_seen` (and is written elsewhere); here follows what that means for a port that
was not open. A report that is older than what is known changes no state.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import BigInteger, Connection, Double, Text, and_, bindparam, delete, literal, select, true, update

from cobalt_tasks.core import coverage
from cobalt_tasks.core.changes import Change, ChangeKind, ScanPart
from cobalt_tasks.core.coverage import Ports
from cobalt_tasks.db import bulk
from cobalt_tasks.db.tables import ports, scanned_hosts, scanned_ports
from cobalt_tasks.db.upserts import upsert

Target = tuple[str, str, int]
"""Address, protocol, port."""

_KEY: Final[bulk.Columns] = {"address": Text(), "protocol": Text(), "port": BigInteger()}
MAYBE_OPEN: Final = frozenset({"udp"})
"""Protocols in which an open port may not answer: absence from a report shows nothing."""

_ORDER: Final = tuple(ports.c[name] for name in _KEY)

_ANY_UNCONFIRMED: Final = select(ports.c.port).where(ports.c.unconfirmed_since.is_not(None)).limit(1)


def reopen(connection: Connection, seen: Iterable[Target]) -> list[Change]:
    """Open the ports again that were reported open after they were found closed; return the changes.

    seen: the ports whose `last_seen` was just written, and whose rows this transaction has locked.
    """
    if connection.execute(_ANY_UNCONFIRMED).first() is None:
        return []
    wanted = bulk.rows_of(connection, "wanted", _KEY)
    same = and_(*(ports.c[name] == wanted.c[name] for name in _KEY))
    chosen = select(*_ORDER, ports.c.last_seen, ports.c.closed_since).join(wanted, same)
    is_later = ports.c.last_seen > ports.c.unconfirmed_since
    chosen = chosen.where(ports.c.unconfirmed_since.is_not(None), is_later).order_by(*_ORDER)
    found = connection.execute(chosen, bulk.encode(seen)).all()
    # A closed port that was open between two scans is still closed: unconfirmed_since is not after closed_since.
    again = [row for row in found if row.closed_since is None or row.last_seen > row.closed_since]
    _set(connection, [_values(row, None, None) for row in again])
    return [
        _change(ChangeKind.PORT_REOPENED, row, row.last_seen, _time(row.closed_since))
        for row in again
        if row.closed_since is not None
    ]


def apply(connection: Connection, source_id: int, part: ScanPart) -> list[Change]:
    """Note what a `part` of a scan shows; when the scan has ended well, close what it found closed. Return the changes.

    source_id: the input that reports it.
    """
    if part.is_start:
        _forget(connection, source_id)
    if part.closed:
        _note_closed(connection, source_id, part.closed)
    hosts = {address: (source_id, address, at, rest) for address, at, rest in part.hosts}
    names = [column.name for column in scanned_hosts.c]
    upsert(
        connection,
        scanned_hosts,
        [dict(zip(names, hosts[address], strict=True)) for address in sorted(hosts)],
        replace=("observed_at", "is_rest_closed"),
    )
    if not part.ended:
        return []
    changes = _close_reported(connection, source_id) + _close_absent(connection, source_id, part.covers)
    _forget(connection, source_id)
    return changes


def close(connection: Connection, targets: Sequence[Target], at: float) -> list[Change]:
    """Close open ports that were looked at one by one; return the changes.

    targets: sorted, their rows locked by this transaction; at: epoch seconds.
    """
    if not targets:
        return []
    wanted = bulk.rows_of(connection, "wanted", _KEY)
    same = and_(*(ports.c[name] == wanted.c[name] for name in _KEY))
    chosen = select(*_ORDER, ports.c.unconfirmed_since, literal(at).label("observed_at")).join(wanted, same)
    chosen = chosen.where(*is_open_before(at)).order_by(*_ORDER)
    return _close(connection, connection.execute(chosen, bulk.encode(targets)).all())


def finish(connection: Connection, source_id: int) -> list[Change]:
    """Close what the input `source_id` reported closed, now that its end shows that it is whole; return the changes."""
    changes = _close_reported(connection, source_id)
    _forget(connection, source_id)
    return changes


def _forget(connection: Connection, source_id: int) -> None:
    for table in (scanned_hosts, scanned_ports):
        connection.execute(delete(table).where(table.c.source_id == source_id))


def _note_closed(connection: Connection, source_id: int, closed: Sequence[tuple[str, str, int, float]]) -> None:
    """Keep those of the closed ports that are known as open: the others are no news."""
    wanted = bulk.rows_of(connection, "wanted", {**_KEY, "observed_at": Double()})
    same = and_(*(ports.c[name] == wanted.c[name] for name in _KEY))
    chosen = select(*_ORDER, wanted.c.observed_at).join(wanted, same)
    chosen = chosen.where(ports.c.closed_since.is_(None), ports.c.last_seen < wanted.c.observed_at)
    rows = connection.execute(chosen.order_by(*_ORDER, wanted.c.observed_at), bulk.encode(closed)).all()
    latest = {row[:3]: {"source_id": source_id, **row._asdict()} for row in rows}
    upsert(connection, scanned_ports, list(latest.values()), replace=("observed_at",))


def _close_reported(connection: Connection, source_id: int) -> list[Change]:
    same = and_(*(ports.c[name] == scanned_ports.c[name] for name in _KEY))
    chosen = select(*_ORDER, ports.c.unconfirmed_since, scanned_ports.c.observed_at).join(scanned_ports, same)
    chosen = chosen.where(scanned_ports.c.source_id == source_id, *is_open_before(scanned_ports.c.observed_at))
    rows = connection.execute(chosen.order_by(*_ORDER).with_for_update(of=ports)).all()
    return _close(connection, rows)


def _close_absent(connection: Connection, source_id: int, covers: Ports) -> list[Change]:
    """Close what a whole scan covered and did not report: at once where the rest was closed, else at the second time."""
    chosen = select(*_ORDER, ports.c.unconfirmed_since, scanned_hosts.c.observed_at, scanned_hosts.c.is_rest_closed)
    chosen = chosen.join(scanned_hosts, ports.c.address == scanned_hosts.c.address)
    chosen = chosen.where(scanned_hosts.c.source_id == source_id, *is_open_before(scanned_hosts.c.observed_at))
    rows = connection.execute(chosen.order_by(*_ORDER).with_for_update(of=ports)).all()
    return settle(connection, [row for row in rows if coverage.has(covers, row.protocol, row.port)])


def settle(connection: Connection, absent: Sequence[Any]) -> list[Change]:
    """Close ports that a whole scan covered and did not report, or note that they are not confirmed; return the changes.

    absent: rows with the port, `unconfirmed_since`, `observed_at` of the scan, and `is_rest_closed`, in the order of ports.
    """
    closed, unconfirmed = [], []
    for row in absent:
        if row.is_rest_closed:
            closed.append(row)
        elif row.protocol in MAYBE_OPEN:
            continue
        elif row.unconfirmed_since is None:
            unconfirmed.append(row)
        elif row.observed_at > row.unconfirmed_since:
            closed.append(row)
    _set(connection, [_values(row, row.observed_at, None) for row in unconfirmed])
    return _close(connection, closed)


def is_open_before(moment: Any) -> list[Any]:
    """Return the conditions that a port was open, and was not seen since `moment`, a column or epoch seconds."""
    return [ports.c.closed_since.is_(None), ports.c.last_seen < moment]


def _close(connection: Connection, rows: Sequence[Any]) -> list[Change]:
    at = [row.observed_at if row.unconfirmed_since is None else row.unconfirmed_since for row in rows]
    _set(connection, [_values(row, since, row.observed_at) for row, since in zip(rows, at, strict=True)])
    return [_change(ChangeKind.PORT_CLOSED, row, row.observed_at) for row in rows]


def _values(row: Any, unconfirmed_since: float | None, closed_since: float | None) -> dict[str, object]:
    return {
        "of_address": row.address,
        "of_protocol": row.protocol,
        "of_port": row.port,
        "unconfirmed_since": unconfirmed_since,
        "closed_since": closed_since,
    }


def _set(connection: Connection, rows: Sequence[Mapping[str, object]]) -> None:
    if rows:
        same = and_(true(), *(ports.c[name] == bindparam(f"of_{name}") for name in _KEY))
        connection.execute(update(ports).where(same), list(rows))


def _change(kind: ChangeKind, row: Any, at: float, old: str | None = None) -> Change:
    return Change(kind=kind, address=row.address, protocol=row.protocol, port=row.port, observed_at=at, old=old)


def _time(moment: float | None) -> str | None:
    from datetime import UTC, datetime  # noqa: PLC0415

    return None if moment is None else datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d")
