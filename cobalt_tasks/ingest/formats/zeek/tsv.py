"""Zeek's logs as TSV, by their own header."""

import re
from typing import Any, ClassVar, Final

import msgspec

from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.formats.base import LineFormat
from cobalt_tasks.ingest.formats.zeek import logs

_NESTED: Final = re.compile(
    r"^(id|version|certificate|san|basic_constraints)_(?=[a-z])(orig_[hp]|resp_[hp]|(?!orig|resp)\w+)$"
)
_FREE: Final = ("##", "#open", "#close")
"""Beginnings of lines that Zeek's own tests write with blanks."""

_MASKED: Final = "XXXXXXXXXX.XXXXXX"
"""What they write instead of a time."""

_ESCAPED: Final = re.compile(r"(?:\\x[0-9a-fA-F]{2})+")
_SETS: Final = ("set[", "vector[", "table[")


class _Header(msgspec.Struct):
    """What the lines that start with # declare about those that follow."""

    separator: str = "\t"
    path: str = ""
    fields: list[str] = []
    types: list[str] = []
    set_separator: str = ","
    empty: str = "(empty)"
    unset: str = "-"


class ZeekTsv(LineFormat):
    """Columns differ between versions and sites: the last #fields line counts. What is unset may be written as nothing."""

    name: ClassVar = "zeek-tsv"
    family: ClassVar = "zeek"
    tool: ClassVar = "zeek"
    summary: ClassVar = "logs with their own header"
    is_traffic: ClassVar = True
    edges: ClassVar = b"\r"

    def __init__(self) -> None:
        """Start without a header."""
        self._header = _Header()
        self._sets: set[str] = set()

    @classmethod
    def score(cls, sample: bytes) -> int:
        """Recognise by the header."""
        return 1000 * any(line.startswith((b"#separator ", b"#fields")) for line in sample.split(b"\n"))

    @property
    def state(self) -> str | None:
        """The header."""
        return msgspec.json.encode(self._header).decode() if self._header != _Header() else None

    @state.setter
    def state(self, text: str | None) -> None:
        self._header = msgspec.json.decode(text, type=_Header) if text else _Header()
        self._read_header("")

    def line(self, line: bytes, batch: Batch) -> None:
        """Read a `line` of the header, or one record, into `batch`."""
        text = line.decode("utf-8", "replace")
        if text.startswith("#"):
            self._read_header(text)
            return
        header = self._header
        if not header.fields:
            raise RefusedError("no #fields line before it")
        cells = self._cells(text)
        if len(cells) != len(header.fields):
            raise RefusedError(f"{len(cells)} cells for {len(header.fields)} fields")
        absent = {header.unset, header.empty, _MASKED, ""}
        record: dict[str, Any] = {
            name: cell for name, cell in zip(header.fields, cells, strict=True) if cell not in absent
        }
        for name in self._sets:
            if name in record:
                record[name] = record[name].split(header.set_separator)
        if "\\x" in text:
            record = {name: _plain(value) for name, value in record.items()}
        logs.read(header.path or None, record, batch)

    def _cells(self, text: str) -> list[str]:
        separator = self._header.separator
        return text.split() if separator == " " else text.split(separator)

    def _read_header(self, text: str) -> None:
        self._read_declaration(text)
        pairs = zip(self._header.fields, self._header.types, strict=False)
        # A name may stand there twice.
        self._sets = {name for name, kind in pairs if kind.startswith(_SETS)}

    def _read_declaration(self, text: str) -> None:
        if text.startswith("#separator"):
            declared = text.removeprefix("#separator ").strip()
            code = declared.removeprefix("\\x")[:2] if declared.startswith("\\x") else ""
            # A log starts, whatever was before it.
            self._header = _Header(separator=chr(int(code, 16)) if _is_hex(code) else declared[:1] or "\t")
            return
        if " " in text and self._header.separator not in text and not text.startswith(_FREE):
            # It was copied from a terminal: blanks stand for its tabs.
            self._header.separator = " "
        name, *cells = self._cells(text) or [""]
        rest = cells[0] if cells else ""
        if name == "#fields":
            self._header.fields = [column(each) for each in cells]
            self._header.types = []
        elif name == "#types":
            self._header.types = cells
        elif name == "#path":
            self._header.path = rest.strip()
        elif name == "#set_separator":
            self._header.set_separator = rest or ","
        elif name == "#empty_field":
            self._header.empty = rest
        elif name == "#unset_field":
            self._header.unset = rest


def _plain(value: Any) -> Any:
    """Return a value with the bytes that Zeek escapes: what is no ASCII, and separators inside of it; what cannot be shown stays."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return _ESCAPED.sub(_decoded, value) if isinstance(value, str) else value


def _decoded(found: re.Match[str]) -> str:
    text = bytes.fromhex(found[0].replace("\\x", "")).decode("utf-8", "replace")
    return text if text.isprintable() and "\ufffd" not in text else found[0]


def _is_hex(text: str) -> bool:
    return len(text) == 2 and all(each in "0123456789abcdefABCDEF" for each in text)  # noqa: PLR2004  # one byte


def column(name: str) -> str:
    """Return a column's name as Zeek writes it by itself: a site may have another separator than the dot."""
    return _NESTED.sub(r"\1.\2", name)
