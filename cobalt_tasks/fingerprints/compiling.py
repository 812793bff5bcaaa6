"""Checks fingerprints before they are used: each pattern compiles, and matches every example that it brings."""

from collections.abc import Iterable

from msgspec import Struct

from cobalt_tasks.fingerprints.matcher import compiled
from cobalt_tasks.fingerprints.recog_xml import RawFingerprint, RecogFile
from cobalt_tasks.fingerprints.records import LONGEST_TEXT, Example, Fields, Pattern


class Compiled(Struct, frozen=True, kw_only=True):
    """Fingerprints that may be used.

    fields: their patterns; examples: those of the patterns that are used.
    left_out: why the others are not, one line each.
    """

    fields: Fields
    examples: list[Example]
    left_out: list[str]

    @property
    def patterns(self) -> int:
        """How many patterns there are."""
        return sum(map(len, self.fields.values()))


def check(files: Iterable[RecogFile]) -> Compiled:
    """Return the fingerprints of some files that work; of two files for one field, the first goes first."""
    fields: dict[str, list[Pattern]] = {}
    examples: list[Example] = []
    left_out: list[str] = []
    for file in files:
        for candidate in file.candidates:
            if reason := _failure(candidate):
                left_out.append(f"{file.field}: {candidate.pattern.expression[:100]}: {reason}")
                continue
            fields.setdefault(file.field, []).append(candidate.pattern)
            examples += candidate.examples
    return Compiled(
        fields={field: tuple(patterns) for field, patterns in fields.items()}, examples=examples, left_out=left_out
    )


def _failure(candidate: RawFingerprint) -> str | None:
    """Return why a fingerprint cannot be used; None if it can."""
    pattern = compiled(candidate.pattern.expression)
    if pattern is None:
        return "RE2 cannot compile it, or it is too large"
    if any(each.group > pattern.groups for each in candidate.pattern.parameters):
        return "a parameter of a group that it does not have"
    for each in candidate.examples:
        if not pattern.search(each.text[:LONGEST_TEXT]):
            return f"it does not match its example {each.text[:60]!r}"
    return None
