"""What is different between two JSON documents, so that a stream sends only that."""

from typing import Any, Final

Difference = tuple[list[str | int], Any]
"""(path, value): the value at the place that the keys and indexes lead to is now this one."""

_NOTHING: Final = object()


def between(before: Any, after: Any) -> list[Difference] | None:
    """Return what to set in the document `before` to make it the document `after`; None: all of it is different."""
    found: list[Difference] = []
    return found if _compare(before, after, [], found) else None


def _compare(before: Any, after: Any, path: list[str | int], found: list[Difference]) -> bool:
    """Add to `found` what is different at a `path`; return False where the whole value has to be replaced."""
    if isinstance(before, dict) and isinstance(after, dict):
        # A key that is gone can only go with the whole.
        if not before.keys() <= after.keys():
            return False
        keys: Any = after
    elif isinstance(before, list) and isinstance(after, list):
        if len(before) != len(after):
            return False
        keys = range(len(after))
        before = dict(enumerate(before))
    else:
        return type(before) is type(after) and before == after
    for key in keys:
        there = [*path, key]
        if not _compare(before.get(key, _NOTHING), after[key], there, found):
            found.append((there, after[key]))
    return True
