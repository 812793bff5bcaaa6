"""Tests fingerprints by the examples they bring, in the way they are used: the first pattern of the field decides."""

from collections.abc import Iterable, Iterator

from cobalt_tasks.fingerprints.matcher import Matcher
from cobalt_tasks.fingerprints.records import Assertions, Example, Fields


def failures(fields: Fields, examples: Iterable[Example]) -> Iterator[tuple[Example, Assertions | None]]:
    """Yield the examples that are not recognised with their own values, each with what was found.

    Args:
        fields: the patterns.
        examples: their examples.

    """
    matcher = Matcher(fields)
    for example in examples:
        found = matcher.find(example.field, example.text)
        if found is None or any(found.get(name, "") != value for name, value in example.expected.items()):
            yield example, found
