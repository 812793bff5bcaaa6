"""What the user accepts: made, removed and listed; the hosts concerned are scored again."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from cobalt_tasks.core.durations import span
from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.core.text import printable
from cobalt_tasks.db.engine import Database
from cobalt_tasks.hosts import changes, notes
from cobalt_tasks.hosts.notes import Note
from cobalt_tasks.threat import rules, scoring
from cobalt_tasks.threat import store as findings

_LONGEST: Final = 500


def until(given: str | None, now: float) -> float | None:
    """Return when a note is over, in epoch seconds; None if it has no end.

    given: a date in UTC, a time from now such as 90d, or None; now: epoch seconds.

    Raises:
        ConfigurationError: it is neither, or it has passed.

    """
    if given is None:
        return None
    seconds = span(given)
    try:
        when = datetime.fromisoformat(given) if seconds is None else None
    except ValueError:
        raise ConfigurationError(f"--until {given!r} is no time: write 2027-01-01, or 90d") from None
    end = now + (seconds or 0.0) if when is None else (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    if end <= now:
        raise ConfigurationError(f"--until {given}: this time has passed")
    return end


def accept_finding(database: Database, home: Path, note: Note) -> int:
    """Accept findings of a host; return the number of the note.

    database: the ledger; home: the folder of the rules; note: with the address, the rule and perhaps the subject.

    Raises:
        ConfigurationError: the host has no such finding, or the reason cannot be used.

    """
    with database.reading() as connection:
        known = findings.of_hosts(connection, [note.address]).get(note.address, [])
    if not any(each.rule == note.kind and note.subject in {"", each.subject} for each in known):
        has = ", ".join(sorted({f"{each.rule} {each.subject}".strip() for each in known})) or "none"
        raise ConfigurationError(
            f"{note.address} has no finding {note.kind} {note.subject}".rstrip() + f"; it has: {has}"
        )
    number = database.write(notes.add, _checked(note))
    scoring.score_again(database, [note.address], rules.load(home))
    return number


def accept_change(database: Database, change_id: int, note: Note) -> tuple[int, str]:
    """Accept a change and others of its kind on the same port or host; return (number of the note, what it is about).

    database: the ledger; change_id: the change; note: with author, reason and times.

    Raises:
        ConfigurationError: there is no such change, or the reason cannot be used.

    """
    with database.reading() as connection:
        row = next(iter(changes.page(connection, 1, above=change_id - 1, before=change_id + 1)), None)
    if row is None:
        raise ConfigurationError(f"there is no change {change_id}: cobalt changes --json has their ids")
    about = msgspec.structs.replace(note, kind=row["kind"], address=row["address"], subject=notes.subject_of(row))
    return database.write(notes.add, _checked(about)), described(about)


def remove(database: Database, home: Path, number: int) -> Note:
    """End a note; return it. database: the ledger; home: the folder of the rules; number: that of the note.

    Raises:
        ConfigurationError: no note with this number holds.

    """
    note = database.write(notes.remove, number, time.time())
    if note is None:
        raise ConfigurationError(f"there is no note {number} that holds: cobalt notes list")
    if note.about == notes.FINDING:
        scoring.score_again(database, [note.address], rules.load(home))
    return note


def listed(database: Database, address: str | None = None, *, everything: bool = False) -> list[Note]:
    """Return notes, the newest first.

    database: the ledger; address: only those about this host; everything: also those that are over.
    """
    with database.reading() as connection:
        return notes.find(connection, address=address, everything=everything)


def described(note: Note) -> str:
    """Return in words what a note is about."""
    what = " ".join(filter(None, (note.about, note.kind, note.subject)))
    return f"{what} of {note.address}" if note.address else what


def as_document(note: Note) -> dict[str, Any]:
    """Return a note with whether it holds now."""
    holds = note.ended_at is None and (note.expires_at is None or note.expires_at > time.time())
    return {**msgspec.structs.asdict(note), "holds": holds}


def _checked(note: Note) -> Note:
    reason = printable(note.reason.strip()[:_LONGEST].encode())
    if not reason:
        raise ConfigurationError("--because needs a reason")
    return msgspec.structs.replace(note, reason=reason, author=printable(note.author.strip()[:100].encode()))
