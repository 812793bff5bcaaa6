"""Reads a file of recog's format (https://github.com/rapid7/recog): XML without a document type, so without entities."""

import base64
import binascii
from typing import Final, NoReturn
from xml.parsers import expat

from msgspec import Struct

from cobalt_tasks.core.errors import FingerprintsError
from cobalt_tasks.fingerprints.records import Example, Parameter, Pattern

LARGEST_FILE: Final = 16 << 20
"""Bytes of a file; recog's largest has 500 kB."""

_MOST_PATTERNS: Final = 20_000
_LONGEST_PATTERN: Final = 4000
_LONGEST_EXAMPLE: Final = 64 * 1024
_HIGHEST_GROUP: Final = 100


class RawFingerprint(Struct, frozen=True, kw_only=True):
    """A fingerprint as its file has it, not compiled yet."""

    pattern: Pattern
    examples: tuple[Example, ...]


class RecogFile(Struct, frozen=True, kw_only=True):
    """One file: the field its patterns are for, and these."""

    field: str
    candidates: tuple[RawFingerprint, ...]


def parse(name: str, content: bytes) -> RecogFile:
    """Return what a file holds.

    Args:
        name: the file's name without its suffix: the field, where the file names none.
        content: the whole file.

    Raises:
        FingerprintsError: it is no XML, has a document type, or is not of recog's form; the message names the place.

    """
    reader = _Reader(name)
    try:
        reader.parser.Parse(content, True)
    except expat.ExpatError as error:
        raise FingerprintsError(f"{name}.xml is no XML: {error}") from error
    if not reader.is_recog:
        raise FingerprintsError(f"{name}.xml holds no fingerprints: its first element is not <fingerprints>")
    return RecogFile(field=reader.field, candidates=tuple(reader.candidates))


class _Reader:
    """The handlers of one parser."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.field = name
        self.is_recog = False
        self.candidates: list[RawFingerprint] = []
        self._expression: str | None = None
        self._parameters: list[Parameter] = []
        self._examples: list[Example] = []
        self._example: dict[str, str] | None = None
        self._text: list[str] = []
        self._length = 0
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self.parser.StartDoctypeDeclHandler = self._refuse_doctype

    def _refuse_doctype(self, *_: object) -> NoReturn:
        self._refuse("it has a document type, which fingerprints do not need")

    def _refuse(self, reason: str) -> NoReturn:
        raise FingerprintsError(f"{self._name}.xml, line {self.parser.CurrentLineNumber}: {reason}")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "fingerprints":
            self.is_recog = True
            self.field = attributes.get("matches") or self._name
        elif tag == "fingerprint":
            self._expression = self._translated(attributes)
            self._parameters, self._examples = [], []
        elif tag == "param":
            self._parameters.append(self._parameter(attributes))
        elif tag == "example":
            self._example, self._text, self._length = attributes, [], 0

    def _end(self, tag: str) -> None:
        if tag == "example" and self._example is not None:
            self._examples.append(self._read_example(self._example, "".join(self._text)))
            self._example = None
        elif tag == "fingerprint" and self._expression is not None:
            pattern = Pattern(self._expression, tuple(self._parameters))
            self.candidates.append(RawFingerprint(pattern=pattern, examples=tuple(self._examples)))
            self._expression = None
            if len(self.candidates) > _MOST_PATTERNS:
                self._refuse(f"more than {_MOST_PATTERNS} fingerprints")

    def _characters(self, text: str) -> None:
        if self._example is not None:
            self._text.append(text)
            self._length += len(text)
            if self._length > _LONGEST_EXAMPLE:
                self._refuse(f"an example of more than {_LONGEST_EXAMPLE} characters")

    def _translated(self, attributes: dict[str, str]) -> str:
        """Return an expression of Ruby's syntax in RE2's: there, `^` and `$` always mean lines, and flags are attributes."""
        expression = attributes.get("pattern", "")
        if not 0 < len(expression) <= _LONGEST_PATTERN:
            self._refuse(f"a pattern of {len(expression)} characters")
        flags = attributes.get("flags", "")
        letters = "m" + ("i" if "REG_ICASE" in flags else "")
        letters += "s" if "REG_DOT_NEWLINE" in flags or "REG_MULTILINE" in flags else ""
        return f"(?{letters}){expression.replace(chr(92) + 'Z', chr(92) + 'z')}"

    def _parameter(self, attributes: dict[str, str]) -> Parameter:
        position, name = attributes.get("pos", ""), attributes.get("name", "")
        if not (position.isascii() and position.isdigit()) or int(position) > _HIGHEST_GROUP or not name:
            self._refuse("a <param> without a name or a number of its group")
        return Parameter(name, int(position), attributes.get("value", ""))

    def _read_example(self, attributes: dict[str, str], text: str) -> Example:
        if attributes.get("_encoding") == "base64":
            try:
                text = base64.b64decode("".join(text.split()), validate=True).decode("utf-8", "replace")
            except (binascii.Error, ValueError):
                self._refuse("an example that is no base64")
        expected = {name: value for name, value in attributes.items() if not name.startswith("_")}
        return Example(self.field, text, expected)
