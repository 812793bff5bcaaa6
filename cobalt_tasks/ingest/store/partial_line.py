"""A last line without its newline: stored at once, and undone without a trace when the line turns out to be longer."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Table, and_, delete, exists, func, or_, select, tuple_, update

from cobalt_tasks.core.catalog import BY_NAME
from cobalt_tasks.core.changes import ChangeKind
from cobalt_tasks.core.records import State
from cobalt_tasks.db.tables import (
    banners,
    changes,
    discoveries,
    freshness,
    hardware_addresses,
    hostnames,
    hosts,
    identities,
    jobs,
    observations,
    ports,
    rejects,
    services,
    sightings,
)
from cobalt_tasks.hosts import traffic_counts
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.store.identities import rows_of
from cobalt_tasks.ingest.store.sources import Checkpoint, Source, Tally, advance
from cobalt_tasks.ingest.store.write_batch import write

_KNOWN = (hosts, ports, services, banners, hostnames, hardware_addresses, sightings)
"""The tables that a line changes beside its own row; each has the column `address`."""

_Values = list[Any]
_Row = dict[str, Any]


class UndoLog(Struct, kw_only=True):
    """What a partial line did. `digest` is the fingerprint of its `length` bytes, which stand at the checkpoint.

    `before` and `after` hold the rows of each table for the addresses it names; `rows` the ids it added; `noted` has the (id, details) of
    the changes of this source that it may have added to; `made` holds
    the connections with an identity that it made, `joined` (before, after) of those that it joined.
    """

    length: int
    digest: str
    tally: Tally
    addresses: list[str]
    before: dict[str, list[_Values]]
    after: dict[str, list[_Values]]
    rows: dict[str, list[int]]
    discoveries: list[_Values]
    made: list[_Row] = []
    joined: list[tuple[_Row, _Row]] = []
    noted: list[_Values] = []


def undo_log_of(source: Source) -> UndoLog | None:
    """Return what the partial line of a source did; None without such a line."""
    return msgspec.json.decode(source.partial_line, type=UndoLog) if source.partial_line else None


def store(  # noqa: PLR0913  # the line, and where it belongs
    connection: Connection,
    source: Source,
    batch: Batch,
    checkpoint: Checkpoint,
    *,
    length: int,
    digest: str,
) -> Source:
    """Write a partial line; the checkpoint stays before it and remembers what it did.

    source: as it was when the line was read; batch: the line, with all that follows from it; checkpoint: that of the
    lines before; length, digest: the bytes of the line and their fingerprint.

    Raises:
        CheckpointMovedError: another process read it too: roll back.

    """
    addresses = sorted({address for address, *_ in batch.hosts} | {name.address for name in batch.facts.hostnames})
    before = _rows_of(connection, addresses)
    noted = _noted(connection, source.id, addresses)
    newest = {table.name: _newest(connection, table) for table in (observations, rejects, jobs, changes)}
    found_before = _discoveries(connection, source.id, addresses)
    known = {row["key"]: row for row in rows_of(connection, list(batch.identified))}
    tally = write(connection, batch)
    now = rows_of(connection, list(batch.identified))
    made = [row for row in now if row["key"] not in known]
    joined = [(known[row["key"]], row) for row in now if row["key"] in known]
    added = _added(connection, observations, newest, observations.c.source_id == source.id)
    log = UndoLog(
        length=length,
        digest=digest,
        tally=tally,
        addresses=addresses,
        before=before,
        after=_rows_of(connection, addresses),
        rows={
            "observations": [each for each in added if each not in {row["id"] for row in made}],
            "rejects": _added(connection, rejects, newest, rejects.c.source_id == source.id),
            "changes": _added(connection, changes, newest, changes.c.source_id == source.id),
            "jobs": _added(connection, jobs, newest, jobs.c.address.in_(addresses)),
        },
        discoveries=[row for row in _discoveries(connection, source.id, addresses) if row not in found_before],
        made=made,
        noted=noted,
        joined=[(old, new) for old, new in joined if old != new],
    )
    text = msgspec.json.encode(log).decode()
    return advance(connection, source, msgspec.structs.replace(checkpoint, partial_line=text), tally)


def undo(connection: Connection, source: Source) -> Source:
    """Undo what the partial line of `source` did, except what other processes have changed or started since.

    Raises:
        CheckpointMovedError: another process did this already: roll back.

    """
    log = undo_log_of(source)
    if log is None:
        return source
    _uncount(connection, [*log.rows.get("observations", []), *(row["id"] for row in log.made)])
    _separate(connection, log)
    for table in (observations, rejects, changes):
        connection.execute(delete(table).where(table.c.id.in_(log.rows.get(table.name, []))))
    waiting = jobs.c.state.in_([State.PENDING, State.SENT])
    connection.execute(delete(jobs).where(jobs.c.id.in_(log.rows["jobs"]), waiting))
    for number, details in log.noted:
        connection.execute(update(changes).where(changes.c.id == number).values(details=details))
    _forget_work(connection, log.addresses)
    for address, protocol, port, key in log.discoveries:
        target = (discoveries.c.address, discoveries.c.protocol, discoveries.c.port, discoveries.c.banner_key)
        same = tuple_(*target) == tuple_(address, protocol, port, key)
        connection.execute(delete(discoveries).where(discoveries.c.source_id == source.id, same))
    for table in _KNOWN:
        _restore(connection, table, log)
    change = Tally()
    change.add(log.tally, -1)
    checkpoint = Checkpoint(
        position=source.position,
        format=source.format or "",
        head=source.head,
        head_length=source.head_length,
        tail=source.tail,
        parser_state=source.parser_state,
    )
    return advance(connection, source, checkpoint, change)


def _uncount(connection: Connection, ids: Sequence[int]) -> None:
    """Remove the connections with these `ids` from the counts of traffic: the whole line is counted again."""
    chosen = select(observations.c.arrived_at, observations.c.protocol).where(observations.c.id.in_(ids))
    for arrived_at, protocol in connection.execute(chosen):
        traffic_counts.add(connection, arrived_at, {protocol: -1})


def _separate(connection: Connection, log: UndoLog) -> None:
    """Delete the connections that the line made, and restore those that it joined, where no other line joined since."""
    for row in log.made:
        if connection.execute(delete(observations).where(_is_unchanged(row))).rowcount:
            connection.execute(delete(identities).where(identities.c.key == row["key"]))
    for old, new in log.joined:
        before = {name: value for name, value in old.items() if name in observations.c}
        if connection.execute(update(observations).where(_is_unchanged(new)).values(before)).rowcount:
            this = identities.c.key == old["key"]
            connection.execute(update(identities).where(this).values(authority=old["authority"]))


def _is_unchanged(row: _Row) -> ColumnElement[bool]:
    return and_(*(observations.c[name].is_not_distinct_from(row[name]) for name in row if name in observations.c))


def _forget_work(connection: Connection, addresses: Sequence[str]) -> None:
    """Delete what the first job on a host left in `freshness` when it was sent, where no job and no fact is left."""
    has_job = exists().where(jobs.c.kind == freshness.c.kind, jobs.c.address == freshness.c.address)
    unknown = and_(freshness.c.fresh_until.is_(None), freshness.c.paused_until.is_(None))
    connection.execute(
        delete(freshness).where(freshness.c.address.in_(addresses), freshness.c.kind.in_(BY_NAME), unknown, ~has_job)
    )


def _restore(connection: Connection, table: Table, log: UndoLog) -> None:
    key = [column.name for column in table.primary_key]
    names = [column.name for column in _plain(table)]
    before = _by_key(log.before[table.name], names, key)
    for target, ours in _by_key(log.after[table.name], names, key).items():
        unchanged = and_(
            *(table.c[name].is_not_distinct_from(value) for name, value in zip(names, ours, strict=True)),
        )
        old = before.get(target)
        if old is None:
            connection.execute(delete(table).where(unchanged))
        elif old != ours:
            connection.execute(update(table).where(unchanged).values(dict(zip(names, old, strict=True))))


def _by_key(rows: Iterable[_Values], names: Sequence[str], key: Sequence[str]) -> dict[tuple[Any, ...], _Values]:
    places = [names.index(name) for name in key]
    return {tuple(row[place] for place in places): list(row) for row in rows}


def _rows_of(connection: Connection, addresses: Sequence[str]) -> dict[str, list[_Values]]:
    return {
        table.name: [
            list(row) for row in connection.execute(select(*_plain(table)).where(table.c.address.in_(addresses)))
        ]
        for table in _KNOWN
    }


def _plain(table: Table) -> list[Any]:
    """Return the columns that fit in JSON: the bytes of a banner are named by its digest, which is part of its key."""
    return [column for column in table.c if column.name != "raw"]


def _noted(connection: Connection, source_id: int, addresses: Sequence[str]) -> list[_Values]:
    """Return (id, details) of the first reports of this source and of these hosts: a line may add to them."""
    first = or_(changes.c.kind == ChangeKind.NETWORKS_SCANNED, changes.c.address.in_(addresses))
    chosen = select(changes.c.id, changes.c.details).where(
        changes.c.source_id == source_id, changes.c.details.is_not(None), first
    )
    return [list(row) for row in connection.execute(chosen)]


def _newest(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.coalesce(func.max(table.c.id), 0))).scalar_one())


def _added(connection: Connection, table: Table, newest: dict[str, int], ours: Any) -> list[int]:
    return list(connection.execute(select(table.c.id).where(table.c.id > newest[table.name], ours)).scalars())


def _discoveries(connection: Connection, source_id: int, addresses: Sequence[str]) -> list[_Values]:
    columns = (discoveries.c.address, discoveries.c.protocol, discoveries.c.port, discoveries.c.banner_key)
    ours = and_(discoveries.c.source_id == source_id, discoveries.c.address.in_(addresses))
    return [list(row) for row in connection.execute(select(*columns).where(ours))]
