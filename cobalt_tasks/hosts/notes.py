"""What the user accepts: a finding or a change of a host, until a time, with a reason. It neither alerts nor scores."""

import time
from collections.abc import Iterable, Sequence
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Connection, and_, insert, or_, select, update

from cobalt_tasks.db.bulk import one_of
from cobalt_tasks.db.tables import notes

FINDING: Final = "finding"
CHANGE: Final = "change"


class Note(Struct, frozen=True, kw_only=True):
    """One thing that is accepted.

    Attributes:
        about: FINDING or CHANGE.
        kind: the name of the rule, or the kind of change.
        address: the host.
        subject: what of the host, such as `tcp/22` or the name of a list; '' for all of it.
        reason: why.
        author: who accepted it.
        created_at: when, in epoch seconds.
        expires_at: when it is over; None: it holds until it is removed.
        ended_at: when it was removed or found to be over; None while it holds.
        id: its number.

    """

    about: str
    kind: str
    address: str
    subject: str
    reason: str
    author: str
    created_at: float
    expires_at: float | None = None
    ended_at: float | None = None
    id: int = 0


def add(connection: Connection, note: Note) -> int:
    """Store a `note`; return its number. An earlier one about the same ends."""
    same = and_(*(notes.c[name] == getattr(note, name) for name in ("about", "kind", "address", "subject")))
    connection.execute(update(notes).where(same, notes.c.ended_at.is_(None)).values(ended_at=note.created_at))
    values = {name: getattr(note, name) for name in Note.__struct_fields__ if name != "id"}
    return int(connection.execute(insert(notes).values(values).returning(notes.c.id)).scalar_one())


def remove(connection: Connection, number: int, now: float) -> Note | None:
    """End the note with this `number`; return it, None if it does not hold any more. `now`: epoch seconds."""
    this = notes.c.id == number, notes.c.ended_at.is_(None)
    row = connection.execute(select(notes).where(*this)).mappings().first()
    connection.execute(update(notes).where(*this).values(ended_at=now))
    return None if row is None else Note(**row)


def expire(connection: Connection, now: float) -> set[str]:
    """End the notes whose time is over; return their hosts, to be scored again. `now`: epoch seconds."""
    over = notes.c.ended_at.is_(None), notes.c.expires_at <= now
    found = set(connection.execute(select(notes.c.address).where(*over)).scalars())
    if found:
        connection.execute(update(notes).where(*over).values(ended_at=now))
    return found


def find(connection: Connection, *, address: str | None = None, everything: bool = False) -> list[Note]:
    """Return the notes that hold, the newest first.

    connection: a connection to the ledger; address: only those about this host; everything: also those that are over.
    """
    chosen = select(notes)
    if address is not None:
        chosen = chosen.where(notes.c.address == address)
    if not everything:
        chosen = chosen.where(*_holding(time.time()))
    return [Note(**row) for row in connection.execute(chosen.order_by(notes.c.id.desc())).mappings()]


def of_findings(connection: Connection, addresses: Sequence[str]) -> list[Note]:
    """Return the notes that hold about findings of the hosts with these `addresses`."""
    chosen = select(notes).where(notes.c.about == FINDING, *_holding(time.time()))
    rows = connection.execute(chosen.where(one_of(connection, notes.c.address, addresses))).mappings()
    return [Note(**row) for row in rows]


def accepting(known: Iterable[Note], address: str, kind: str, subject: str) -> Note | None:
    """Return the note that accepts something, None if none does.

    known: notes of one sort; address: the host; kind: the rule or the kind of change; subject: what of the host.
    """
    for note in known:
        if (note.address, note.kind) == (address, kind) and note.subject in {"", subject}:
            return note
    return None


def accepted_changes(connection: Connection, rows: Sequence[Any]) -> dict[int, Note]:
    """Return the notes that accept changes, by the number of the change.

    connection: a connection to the ledger; rows: changes by name, with id, kind, address, protocol, port.
    """
    if not rows:
        return {}
    addresses = sorted({row["address"] for row in rows})
    chosen = select(notes).where(notes.c.about == CHANGE, *_holding(time.time()))
    found = connection.execute(chosen.where(one_of(connection, notes.c.address, addresses))).mappings()
    known = [Note(**row) for row in found]
    accepted = {}
    for row in rows:
        if note := accepting(known, row["address"], row["kind"], subject_of(row)):
            accepted[row["id"]] = note
    return accepted


def brief(note: Note | None) -> dict[str, Any] | None:
    """Return what is shown of a note beside what it accepts; None without a note."""
    return None if note is None else {name: getattr(note, name) for name in ("id", "reason", "author", "expires_at")}


def subject_of(change: Any) -> str:
    """Return what of its host a change is about: `tcp/22`, '' for the host. `change`: by name."""
    return f"{change['protocol']}/{change['port']}" if change["port"] else ""


def _holding(now: float) -> list[Any]:
    return [notes.c.ended_at.is_(None), or_(notes.c.expires_at.is_(None), notes.c.expires_at > now)]
