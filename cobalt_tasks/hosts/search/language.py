"""The grammar of the search language: text becomes a tree of terms, or an error that points at the column.

Nothing here knows fields or tables. A query is short, and its tree is shallow: what a query costs is bounded before it
reaches the database.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken, VisitError
from msgspec import Struct

from cobalt_tasks.core.errors import ConfigurationError

LONGEST: Final = 2000
MOST_TERMS: Final = 50
DEEPEST: Final = 20

_PLAIN: Final = re.compile(r"\w[\w.:/-]*")


class SearchError(ConfigurationError):
    """The search query cannot be used.

    Attributes:
        column: the position of the character in the query that the message is about, counted from 1.

    """

    def __init__(self, message: str, column: int) -> None:
        """Add the column to `message`."""
        super().__init__(f"{message} (column {column} of the query)")
        self.column = column


class Value(Struct, frozen=True):
    """One value of a term; a quoted one has no wildcards and no ranges."""

    text: str
    column: int
    quoted: bool = False


class Term(Struct, frozen=True):
    """A field and its values, of which one must match. `operator` is "", "<", "<=", ">" or ">="."""

    field: str
    operator: str
    values: tuple[Value, ...]
    column: int
    depth: int = 0
    terms: int = 1


class Words(Struct, frozen=True):
    """Free text."""

    value: Value
    depth: int = 0
    terms: int = 1


class Both(Struct, frozen=True):
    """All parts match."""

    parts: tuple["Node", ...]
    depth: int
    terms: int


class Either(Struct, frozen=True):
    """One of the parts matches."""

    parts: tuple["Node", ...]
    depth: int
    terms: int


class Negation(Struct, frozen=True):
    """The part does not match."""

    part: "Node"
    depth: int
    terms: int


Node = Term | Words | Both | Either | Negation


def quoted(text: str) -> str:
    """Return a text as the value of a term: in double quotes where it is more than a plain word, each quote in it twice."""
    return text if _PLAIN.fullmatch(text) and ".." not in text else '"{}"'.format(text.replace('"', '""'))


def parse(text: str) -> Node | None:
    """Return the tree of a query, None for one without any term.

    Raises:
        SearchError: it is no query; the message names the column.

    """
    if len(text) > LONGEST:
        raise SearchError(f"a query has at most {LONGEST:,} characters", LONGEST + 1)
    for column, character in enumerate(text, 1):
        if character == "\0" or "\ud800" <= character <= "\udfff":
            raise SearchError("a query has no such character", column)
    if not text.strip():
        return None
    try:
        tree: Any = _parser().parse(text)
    except UnexpectedInput as error:
        raise _explained(error, text) from None
    except VisitError as error:
        raise error.orig_exc from None
    if tree.terms > MOST_TERMS:
        raise SearchError(f"a query has at most {MOST_TERMS} terms", len(text))
    found: Node = tree
    return found


@lru_cache(1)
def _parser() -> Lark:
    # Lark transforms while it parses (LALR), so that no tree is walked by recursion.
    grammar = Path(__file__).with_name("grammar.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", transformer=_Tree(), maybe_placeholders=False)


def _explained(error: UnexpectedInput, text: str) -> SearchError:
    at_end = isinstance(error, UnexpectedEOF) or (isinstance(error, UnexpectedToken) and error.token.type == "$END")
    if at_end:
        return SearchError(
            "the query ends too early: a value, a term or a closing ) is missing", len(text.rstrip()) + 1
        )
    column = (error.pos_in_stream or 0) + 1
    found = text[column - 1]
    if found == '"' and isinstance(error, UnexpectedCharacters):
        return SearchError('this " has no other to end the text', column)
    if found == ":":
        return SearchError("a field's name stands before a colon; put text with colons into double quotes", column)
    return SearchError(f"{found!r} is not expected here", column)


@v_args(inline=True)
class _Tree(Transformer[Token, Node]):
    def value(self, token: Token) -> Value:
        column = (token.start_pos or 0) + 1
        if token.type == "QUOTED":
            return Value(token[1:-1].replace('""', '"'), column, quoted=True)
        return Value(str(token), column)

    def term(self, field: Token, *rest: Token | Value) -> Term:
        values = tuple(each for each in rest if isinstance(each, Value))
        operator = next((str(each) for each in rest if isinstance(each, Token)), "")
        column = (field.start_pos or 0) + 1
        if operator and len(values) > 1:
            raise SearchError("a comparison has one value", values[1].column)
        return Term(str(field[:-1]).lower(), operator, values, column)

    def text(self, token: Token) -> Words:
        return Words(self.value(token))

    def address(self, token: Token) -> Term:
        value = self.value(token)
        return Term("net", "", (value,), value.column)

    def both(self, *parts: Node) -> Node:
        return self._joined(Both, parts)

    def either(self, *parts: Node) -> Node:
        return self._joined(Either, parts)

    def negation(self, part: Node) -> Node:
        return Negation(part, self._depth([part]), part.terms)

    def _joined(self, kind: type[Both | Either], parts: Sequence[Node]) -> Node:
        if len(parts) == 1:
            return parts[0]
        return kind(tuple(parts), self._depth(parts), sum(each.terms for each in parts))

    @staticmethod
    def _depth(parts: Sequence[Node]) -> int:
        depth = 1 + max(each.depth for each in parts)
        if depth > DEEPEST:
            raise SearchError(f"parentheses and negations stand at most {DEEPEST} deep", 1)
        return depth
