"""What a stream sends of a document that changed."""

import copy
import random
from typing import Any

import pytest

from cobalt_tasks.views.dashboard import differences


def applied(document: Any, found: list[differences.Difference]) -> Any:
    """Set each value at its place, as the page does."""
    document = copy.deepcopy(document)
    for path, value in found:
        place = document
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
    return document


def drawn(draw: random.Random, depth: int = 3) -> Any:
    """Return a JSON document of few different parts."""
    kind = draw.randrange(6) if depth else draw.randrange(4)
    if kind == 4:
        return {name: drawn(draw, depth - 1) for name in "abc" if draw.random() < 0.7}
    if kind == 5:
        return [drawn(draw, depth - 1) for _ in range(draw.randrange(3))]
    return [None, True, 1, "text"][kind]


@pytest.mark.parametrize("seed", range(5))
def test_what_is_sent_makes_the_new_document(seed: int) -> None:
    """Of any two documents: with keys that come and go, lists that grow, null in place of a value and 1 in place of true."""
    draw = random.Random(seed)
    for _ in range(400):
        before, after = ({"top": drawn(draw), "other": drawn(draw)} for _ in range(2))
        found = differences.between(before, after)
        assert found is not None
        made = applied(before, found)
        assert repr(made) == repr(after) or made == after
        assert differences.between(made, after) == []


def test_only_what_changed_is_sent() -> None:
    """A number deep inside is one entry; a document with another key at the top is new as a whole."""
    before = {"status": {"queues": {"banner": {"jobs": 1, "age": None}}, "workers": [{"name": "a", "alive": True}]}}
    after = copy.deepcopy(before)
    after["status"]["queues"]["banner"]["jobs"] = 2  # type: ignore[index]
    after["status"]["workers"][0]["alive"] = False  # type: ignore[index]
    assert differences.between(before, after) == [
        (["status", "queues", "banner", "jobs"], 2),
        (["status", "workers", 0, "alive"], False),
    ]
    assert differences.between(before, {}) is None
