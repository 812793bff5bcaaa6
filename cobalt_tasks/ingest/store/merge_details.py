"""What a tool says again of a connection it has reported: a flow's bytes after its certificate, an alert after both."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, bindparam, select, update

from cobalt_tasks.db.tables import observations

_AT_ONCE: Final = 500
_LONGEST: Final = 16 * 1024
"""Characters of the details of one observation; what would make them longer is left out."""

_MOST: Final = 32
"""Entries of a list in them."""

Details = dict[str, Any]


def add_details(connection: Connection, source_id: int, said: Sequence[tuple[str, str | None]]) -> None:
    """Add to observations of a source what was said of them again: pairs of their identity and details, JSON text.

    Later values replace earlier ones, lists are joined. Saying the same again changes nothing.
    """
    for start in range(0, len(said), _AT_ONCE):
        piece = said[start : start + _AT_ONCE]
        ours = observations.c.source_id == source_id, observations.c.identity.in_({identity for identity, _ in piece})
        columns = observations.c.id, observations.c.identity, observations.c.details
        known = {row.identity: row for row in connection.execute(select(*columns).where(*ours))}
        merged = {identity: _read(row.details) for identity, row in known.items()}
        for identity, details in piece:
            if details and identity in merged:
                merged[identity] = _joined(merged[identity], _read(details))
        changes = [
            {"row": row.id, "text": text}
            for identity, row in known.items()
            if (text := _written(merged[identity])) != row.details
        ]
        if changes:
            this = observations.c.id == bindparam("row")
            connection.execute(update(observations).where(this).values(details=bindparam("text")), changes)


def _joined(before: Details, after: Details) -> Details:
    joined = dict(before)
    for name, value in after.items():
        old = joined.get(name)
        if isinstance(old, list) and isinstance(value, list):
            joined[name] = (old + [each for each in value if each not in old])[:_MOST]
        else:
            joined[name] = value
    return joined if len(msgspec.json.encode(joined)) <= _LONGEST else before


def _read(details: str | None) -> Details:
    try:
        return msgspec.json.decode(details, type=Details) if details else {}
    except msgspec.DecodeError:
        # An older ledger may hold details that were cut anywhere.
        return {}


def _written(details: Details) -> str | None:
    return msgspec.json.encode(details).decode() if details else None
