"""JSON for programs: one object a line for lists, one object for all else, and every time as ISO 8601 in UTC."""

import sys
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from cobalt_tasks.views.text import iso

_ENDINGS: Final = ("_at", "_since", "_until", "_seen")
_OTHERS: Final = frozenset({"at", "since", "built", "database_built", "not_before", "not_after", "last_input"})
"""Names of fields that are points in time: seconds since 1970 wherever the ledger has them."""


def print_list(rows: Iterable[object]) -> None:
    """Print one JSON object a line for each row: nothing for none."""
    for row in rows:
        sys.stdout.write(msgspec.json.encode(readable(row)).decode() + "\n")


def print_object(document: object) -> None:
    """Print one JSON object: on one line, or indented if a person reads it on a terminal."""
    encoded = msgspec.json.encode(readable(document))
    sys.stdout.write((msgspec.json.format(encoded, indent=2) if sys.stdout.isatty() else encoded).decode() + "\n")


def readable(document: object) -> Any:
    """Return a document as dictionaries, lists and values, with its times as text."""
    return _with_times(msgspec.to_builtins(document, str_keys=True))


def is_time(name: str) -> bool:
    """Return whether a number in the field `name` is a point in time."""
    return name in _OTHERS or name.endswith(_ENDINGS)


def _with_times(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _time(each) if is_time(name) else _with_times(each) for name, each in value.items()}
    return [_with_times(each) for each in value] if isinstance(value, list) else value


def _time(value: Any) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return iso(value) if is_number else _with_times(value)
