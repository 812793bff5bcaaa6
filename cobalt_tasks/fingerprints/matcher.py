"""Finds the fingerprint of a value in linear time (RE2): a filter by literal strings first, then what is left."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import re2

from cobalt_tasks.fingerprints.records import LONGEST_TEXT, Assertions, Fields, Parameter, Pattern

_MEMORY: Final = 1 << 20
"""Bytes that one compiled pattern may take; what needs more is matched without a table, a little slower."""

_LARGEST_PROGRAM: Final = 20_000
"""Instructions of a compiled pattern: with LONGEST_TEXT, the bound of the time one match takes."""

_REMEMBERED: Final = 2048
"""Values whose fingerprint is remembered, in a process: many hosts send the same."""

_REFERENCE: Final = re.compile(r"\{([a-z0-9_.]{1,64})\}")
_DEPTH: Final = 3


def compiled(expression: str) -> Any:
    """Return a compiled pattern; None if RE2 cannot take it, or it would be slow."""
    try:
        pattern = re2.compile(expression, _options())
    except re2.error:
        return None
    return pattern if pattern.programsize <= _LARGEST_PROGRAM else None


def asserted(pattern: Pattern, found: Any) -> Assertions:
    """Return what `pattern` asserts of the value that `found` is the match in; a group that took no part asserts nothing."""
    parameters = {each.name: each for each in pattern.parameters}
    values = {name: _value(each, parameters, found) for name, each in parameters.items()}
    # What is temporary was only for others to refer to.
    return {name: value for name, value in values.items() if value and not name.startswith("_tmp.")}


def _value(parameter: Parameter, parameters: Mapping[str, Parameter], found: Any, depth: int = _DEPTH) -> str:
    """Return a value with the others in it; a CPE name has `-` for one that is not known, any other is left out then.

    Only texts of the fingerprint refer to others: what a group holds is the server's, and stays as it is.
    parameter: whose value; parameters: all of the pattern, by name; found: its match; depth: of references in references.
    """
    if parameter.group:
        return str(found.group(parameter.group) or "")
    names = _REFERENCE.findall(parameter.value) if depth else []
    if not names:
        return parameter.value
    others = {
        name: _value(parameters[name], parameters, found, depth - 1) if name in parameters else "" for name in names
    }
    if not all(others.values()) and not parameter.name.endswith(".cpe23"):
        return ""
    return _REFERENCE.sub(lambda reference: others[reference[1]] or "-", parameter.value)[:LONGEST_TEXT]


class FieldMatcher:
    """The patterns of one field, compiled."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        """Compile the patterns; they were checked when they were installed."""
        self._patterns = patterns
        self._filter = re2.Filter()
        for each in patterns:
            self._filter.Add(each.expression, _options())
        if patterns:
            self._filter.Compile()

    def find(self, text: str) -> Assertions | None:
        """Return what the first matching pattern asserts, which may be nothing; None if none matches."""
        matching = self._filter.Match(text) if self._patterns else None
        if not matching:
            return None
        first = min(matching)
        found = self._filter.re(first).search(text)
        return asserted(self._patterns[first], found) if found else None


class Matcher:
    """Patterns for many fields, each compiled when the first value for it is looked up."""

    def __init__(self, fields: Fields) -> None:
        """Compile nothing yet."""
        self._fields = fields
        self._compiled: dict[str, FieldMatcher] = {}
        self._lookup = lru_cache(maxsize=_REMEMBERED)(self._find)

    def find(self, field: str, text: str) -> Assertions | None:
        """Return what the first matching pattern asserts of a value, which may be nothing; None if none matches.

        Args:
            field: the field it belongs to.
            text: the value.

        """
        return self._lookup(field, text[:LONGEST_TEXT]) if field in self._fields else None

    def _find(self, field: str, text: str) -> Assertions | None:
        if field not in self._compiled:
            self._compiled[field] = FieldMatcher(self._fields[field])
        return self._compiled[field].find(text)


def _options() -> Any:
    options = re2.Options()
    options.max_mem = _MEMORY
    options.log_errors = False
    return options
