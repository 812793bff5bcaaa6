"""Where lines come from, and how far each was read: the checkpoint that moves with the data, or not at all."""

import time
from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Row, and_, bindparam, delete, func, or_, select, text, update

from cobalt_tasks.core.errors import CheckpointMovedError
from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.tables import sources
from cobalt_tasks.hosts import forget as records


class Tally(Struct, kw_only=True):
    """A ledger: read = accepted + duplicates + rejected + ignored, always."""

    read: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    ignored: int = 0

    def add(self, other: "Tally", sign: int = 1) -> None:
        """Add the `other` ledger, or subtract it with `sign` -1."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + sign * getattr(other, name))


class Source(Struct, kw_only=True):
    """One source as the ledger knows it. A new generation of a source is a new row under the same name.

    `head` is the fingerprint of its first `head_length` bytes, `tail` that of the bytes before `position`;
    a journal's source has the journal's name as its head. `position` counts decompressed bytes.
    `partial_line` is what a last line without its newline did, as JSON text, to be undone when the line has grown.
    """

    id: int
    name: str
    generation: int = 1
    format: str | None = None
    device: int | None = None
    inode: int | None = None
    head: str | None = None
    head_length: int = 0
    tail: str | None = None
    position: int = 0
    parser_state: str | None = None
    partial_line: str | None = None
    read: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    ignored: int = 0
    created_at: float = 0.0
    updated_at: float = 0.0

    @property
    def tally(self) -> Tally:
        """Its ledger."""
        return Tally(**{name: getattr(self, name) for name in Tally.__struct_fields__})


Work = Callable[[Connection], Source]
"""What one transaction does with a source: return it as it is afterwards."""


class Checkpoint(Struct, frozen=True, kw_only=True):
    """Where a source is to stand after a batch; written with the batch."""

    position: int
    format: str
    head: str | None
    head_length: int
    tail: str | None
    parser_state: str | None = None
    partial_line: str | None = None


def find_file(connection: Connection, name: str, device: int, inode: int) -> Source | None:
    """Return the latest source that was the file with this `inode` and `device`, or `inode` and `name`.

    A device number may change with a reboot; name and inode stay.
    """
    same = and_(sources.c.inode == inode, or_(sources.c.device == device, sources.c.name == name))
    return _one(connection.execute(select(sources).where(same).order_by(sources.c.id.desc()).limit(1)).first())


def find_journal(connection: Connection, head: str) -> Source | None:
    """Return the source of the journal whose name is `head`."""
    same = and_(sources.c.inode.is_(None), sources.c.head == head)
    return _one(connection.execute(select(sources).where(same)).first())


def get(connection: Connection, source_id: int) -> Source | None:
    """Return the source with the id `source_id`."""
    return _one(connection.execute(select(sources).where(sources.c.id == source_id)).first())


def everything(connection: Connection) -> list[Source]:
    """Return all sources, in the order they were first read."""
    return [_source(row) for row in connection.execute(select(sources).order_by(sources.c.id))]


def create(  # noqa: PLR0913  # the parts of an identity
    connection: Connection,
    name: str,
    *,
    device: int | None = None,
    inode: int | None = None,
    head: str | None = None,
    replaces: int | None = None,
) -> Source:
    """Make a source, or the next generation of its name. `replaces` is the id that `find_…` returned, or None.

    name, device, inode: of a file; head: the name of a journal. Each is None for the other.

    Raises:
        CheckpointMovedError: another process made it meanwhile.

    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE sources IN SHARE ROW EXCLUSIVE MODE"))
    if device is not None and inode is not None:
        found = find_file(connection, name, device, inode)
        if (found and found.id) != replaces:
            raise CheckpointMovedError
    latest = connection.execute(select(func.max(sources.c.generation)).where(sources.c.name == name)).scalar()
    now = time.time()
    row = {
        "name": name,
        "generation": (latest or 0) + 1,
        "device": device,
        "inode": inode,
        "head": head,
        "created_at": now,
        "updated_at": now,
    }
    made = connection.execute(sources.insert().values(row).returning(*sources.c)).one()
    return _source(made)


def advance(connection: Connection, source: Source, checkpoint: Checkpoint, change: Tally) -> Source:
    """Move the checkpoint of `source`, which was read before, and add `change` to its ledger; return it as it is now.

    checkpoint: where it is to be.

    Raises:
        CheckpointMovedError: it was somewhere else: nothing of this transaction may be kept.

    """
    tally = source.tally
    tally.add(change)
    values = {**msgspec.structs.asdict(checkpoint), **msgspec.structs.asdict(tally), "updated_at": time.time()}
    known = {f"known_{name}": getattr(source, name) for name in _CHECKED}
    if connection.execute(_ADVANCE, values | known).rowcount != 1:
        raise CheckpointMovedError
    return msgspec.structs.replace(source, **values)


# Built once: input runs it for each batch.
_CHECKED: Final = ("id", "position", "read", "partial_line")
_ADVANCE: Final = (
    update(sources)
    .where(*(sources.c[name].is_not_distinct_from(bindparam(f"known_{name}")) for name in _CHECKED))
    .values({name: bindparam(name) for name in (*Checkpoint.__struct_fields__, *Tally.__struct_fields__, "updated_at")})
)


def adjust(connection: Connection, source_id: int, change: Tally) -> None:
    """Add `change` to the ledger of the source `source_id` without moving its checkpoint."""
    changes = {name: sources.c[name] + getattr(change, name) for name in Tally.__struct_fields__}
    connection.execute(update(sources).where(sources.c.id == source_id).values(changes))


def forget(database: Database, source_id: int) -> None:
    """Delete what came from one source, then the source, a part in each transaction; if stopped, it can be repeated.

    Hosts, ports and facts stay: they may be known from elsewhere.

    database: the ledger; source_id: the source.
    """
    records.forget_source(database, source_id)
    database.write(lambda connection: connection.execute(delete(sources).where(sources.c.id == source_id)))


def _one(row: Row[Any] | None) -> Source | None:
    return None if row is None else _source(row)


def _source(row: Row[Any]) -> Source:
    return Source(**row._mapping)  # noqa: SLF001  # SQLAlchemy's public name for it
