"""What is known of installed fingerprints: patterns with what they assert, and the examples that prove them."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

LONGEST_TEXT: Final = 2048
"""Characters of a value that are looked at: what the slowest pattern needs for so many is some milliseconds."""


class Parameter(Struct, frozen=True, array_like=True):
    """One thing that a matching pattern asserts.

    name: recog's name for it, such as `service.version`.
    group: the group of the pattern that holds the value; 0 where `value` is it.
    value: the value, in which `{name}` stands for another parameter.
    """

    name: str
    group: int
    value: str


class Pattern(Struct, frozen=True, array_like=True):
    """One fingerprint. expression: in RE2's syntax."""

    expression: str
    parameters: tuple[Parameter, ...]


class Example(Struct, frozen=True, array_like=True):
    """A value that a pattern was made for.

    field: which field the value belongs to; text: the value; expected: what must be found out from it.
    """

    field: str
    text: str
    expected: dict[str, str]


Fields = dict[str, tuple[Pattern, ...]]
"""The patterns of each field, in the order in which they are tried. A field has the name that recog has for it."""

Assertions = Mapping[str, str]
"""What the fingerprint of a value asserts, by recog's names."""
