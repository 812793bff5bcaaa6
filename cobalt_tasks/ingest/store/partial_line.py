"""A last line without its newline: taken at once, and taken back without a trace when the line turns out to be longer."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Table, and_, delete, exists, func, select, tuple_, update

from cobalt_tasks.core.catalog import BY_NAME
from cobalt_tasks.core.records import State
from cobalt_tasks.db.tables import (
    banners,
    discoveries,
    freshness,
    hostnames,
    hosts,
    jobs,
    observations,
    ports,
    rejects,
    sightings,
)
from cobalt_tasks.ingest.store.sources import Checkpoint, Source, Tally, advance
from cobalt_tasks.ingest.store.write_batch import Intake, write

_KNOWN = (hosts, ports, banners, hostnames, sightings)
"""The tables that a line changes beside its own row; each has the column `address`."""

_Values = list[Any]


class Trace(Struct, kw_only=True):
    """What a provisional line did. `digest` is the fingerprint of its `length` bytes, which stand at the checkpoint.

    `before` and `after` hold the rows of each table for the addresses it names; `rows` the ids it added.
    """

    length: int
    digest: str
    tally: Tally
    addresses: list[str]
    before: dict[str, list[_Values]]
    after: dict[str, list[_Values]]
    rows: dict[str, list[int]]
    discoveries: list[_Values]


def trace_of(source: Source) -> Trace | None:
    """Return what the provisional line of a source did, if there is one."""
    return msgspec.json.decode(source.provisional, type=Trace) if source.provisional else None


def store(  # noqa: PLR0913  # the line, and where it belongs
    connection: Connection,
    source: Source,
    intake: Intake,
    checkpoint: Checkpoint,
    *,
    length: int,
    digest: str,
) -> Source:
    """Write a provisional line; the checkpoint stays before it and remembers what it did.

    Raises:
        CheckpointMovedError: another process read it too: roll back.

    """
    addresses = sorted({row[0] for row in intake.hosts} | {name.address for name in intake.facts.hostnames})
    before = _rows_of(connection, addresses)
    newest = {table.name: _newest(connection, table) for table in (observations, rejects, jobs)}
    found_before = _discoveries(connection, source.id, addresses)
    tally = write(connection, intake)
    trace = Trace(
        length=length,
        digest=digest,
        tally=tally,
        addresses=addresses,
        before=before,
        after=_rows_of(connection, addresses),
        rows={
            "observations": _added(connection, observations, newest, observations.c.source_id == source.id),
            "rejects": _added(connection, rejects, newest, rejects.c.source_id == source.id),
            "jobs": _added(connection, jobs, newest, jobs.c.address.in_(addresses)),
        },
        discoveries=[row for row in _discoveries(connection, source.id, addresses) if row not in found_before],
    )
    text = msgspec.json.encode(trace).decode()
    return advance(connection, source, msgspec.structs.replace(checkpoint, provisional=text), tally)


def undo(connection: Connection, source: Source) -> Source:
    """Take back what the provisional line did, except what others have changed or begun since.

    Raises:
        CheckpointMovedError: another process did this already: roll back.

    """
    trace = trace_of(source)
    if trace is None:
        return source
    for table in (observations, rejects):
        connection.execute(delete(table).where(table.c.id.in_(trace.rows[table.name])))
    waiting = jobs.c.state.in_([State.PENDING, State.SENT])
    connection.execute(delete(jobs).where(jobs.c.id.in_(trace.rows["jobs"]), waiting))
    _forget_work(connection, trace.addresses)
    for address, protocol, port, key in trace.discoveries:
        target = (discoveries.c.address, discoveries.c.protocol, discoveries.c.port, discoveries.c.banner_key)
        same = tuple_(*target) == tuple_(address, protocol, port, key)
        connection.execute(delete(discoveries).where(discoveries.c.source_id == source.id, same))
    for table in _KNOWN:
        _restore(connection, table, trace)
    change = Tally()
    change.add(trace.tally, -1)
    checkpoint = Checkpoint(
        position=source.position,
        format=source.format or "",
        head=source.head,
        head_length=source.head_length,
        tail=source.tail,
        parser_state=source.parser_state,
    )
    return advance(connection, source, checkpoint, change)


def _forget_work(connection: Connection, addresses: Sequence[str]) -> None:
    """Delete what the first job on a host left in `freshness` when it was sent, where no job and no fact is left."""
    has_job = exists().where(jobs.c.kind == freshness.c.kind, jobs.c.address == freshness.c.address)
    unknown = and_(freshness.c.fresh_until.is_(None), freshness.c.paused_until.is_(None))
    connection.execute(
        delete(freshness).where(freshness.c.address.in_(addresses), freshness.c.kind.in_(BY_NAME), unknown, ~has_job)
    )


def _restore(connection: Connection, table: Table, trace: Trace) -> None:
    key = [column.name for column in table.primary_key]
    names = [column.name for column in _plain(table)]
    before = _by_key(trace.before[table.name], names, key)
    for target, ours in _by_key(trace.after[table.name], names, key).items():
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


def _newest(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.coalesce(func.max(table.c.id), 0))).scalar_one())


def _added(connection: Connection, table: Table, newest: dict[str, int], ours: Any) -> list[int]:
    return list(connection.execute(select(table.c.id).where(table.c.id > newest[table.name], ours)).scalars())


def _discoveries(connection: Connection, source_id: int, addresses: Sequence[str]) -> list[_Values]:
    columns = (discoveries.c.address, discoveries.c.protocol, discoveries.c.port, discoveries.c.banner_key)
    ours = and_(discoveries.c.source_id == source_id, discoveries.c.address.in_(addresses))
    return [list(row) for row in connection.execute(select(*columns).where(ours))]
