"""tshark -T fields -E header=y: columns by name, between any separator."""

import csv
import re
from typing import ClassVar, Final

import msgspec

from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.formats.base import LineFormat
from cobalt_tasks.ingest.formats.csv_table import Columns
from cobalt_tasks.ingest.formats.tshark import packets
from cobalt_tasks.ingest.formats.tshark.text import fields_of

_is_field: Final = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII).fullmatch
_FIELD: Final = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)
_HEADER_LINES: Final = 8
_COMMA: Final = ","
_COLUMN: Final = "_ws_col_"
"""How the names of the columns for people start, which tshark prints too."""

_ENDS: Final = (("source", "src"), ("destination", "dst"))


class TsharkFields(LineFormat):
    """Columns by the header line, empty where a packet has none; a field of several layers has several values."""

    name: ClassVar = "tshark-fields"
    family: ClassVar = "tshark"
    tool: ClassVar = "tshark"
    summary: ClassVar = "-T fields -E header=y, with any separator"
    is_traffic: ClassVar = True
    edges: ClassVar = b"\r"

    def __init__(self) -> None:
        """Start without a header."""
        self._columns = Columns()

    @classmethod
    def score(cls, sample: bytes) -> int:
        """Recognise by the header: names of fields, an address among them."""
        return 1000 * any(_header(line) is not None for line in sample.split(b"\n", _HEADER_LINES)[:_HEADER_LINES])

    @property
    def state(self) -> str | None:
        """The columns."""
        return msgspec.json.encode(self._columns).decode() if self._columns.names else None

    @state.setter
    def state(self, text: str | None) -> None:
        if text is None:
            self._columns = Columns()
        elif text.startswith("{"):
            self._columns = msgspec.json.decode(text, type=Columns)
        else:
            # As an earlier version kept it.
            self._columns = Columns(separator="\t", names=text.split("\t"))

    def line(self, line: bytes, batch: Batch) -> None:
        """Read the header, or one packet, from a `line` into `batch`."""
        if (header := _header(line)) is not None:
            self._columns = header
            return
        columns = self._columns
        if not columns.names:
            raise RefusedError("no header before it: use -E header=y")
        cells = _cells(line.decode("utf-8", "replace"), columns.separator)
        times = [at for at, name in enumerate(columns.names) if name in packets.TIMES]
        if len(cells) == len(columns.names) + 1 and columns.separator == _COMMA and times:
            # The only comma of a time: tshark quotes nothing unless it is asked to.
            at = times[0]
            cells[at : at + 2] = [_COMMA.join(cells[at : at + 2])]
        if len(cells) != len(columns.names):
            raise RefusedError(f"{len(cells)} cells for {len(columns.names)} columns")
        named = zip(columns.names, cells, strict=True)
        found = {name: [cell] if _is_text(name) else cell.split(_COMMA) for name, cell in named if cell}
        packets.read(found if packets.ADDRESSES.intersection(found) else _with_columns(found), batch)


def _is_text(name: str) -> bool:
    return name in packets.TIMES or name.startswith(_COLUMN)


def _with_columns(fields: packets.Fields) -> packets.Fields:
    """Return fields with those that follow from the columns for people (`_ws.col.Source`), where they have addresses."""
    shown = {
        name.removeprefix(_COLUMN).lower(): several[0] for name, several in fields.items() if name.startswith(_COLUMN)
    }
    source, target = (shown.get(end) or shown.get(f"def_{short}", "") for end, short in _ENDS)
    if not (values.is_address(source) and values.is_address(target)):
        return fields
    follow = fields_of(shown.get("time", ""), source, target, shown.get("protocol", ""), shown.get("info", ""))
    return {name: several for name, several in follow.items() if not name.startswith(_COLUMN)} | fields


def _header(line: bytes) -> Columns | None:
    """Return the columns of a header; None if the line is none."""
    text = line.strip(b"\r").decode("utf-8", "replace").replace('"', "")
    first = _FIELD.match(text)
    if first is None or first.end() == len(text):
        return None
    separator = text[first.end()]
    found = text.split(separator)
    if not all(map(_is_field, found)):
        return None
    plain = [name.replace(".", "_") for name in found]
    # A column with a dot: `ip.src` is a field of tshark, other tools have headers too.
    has_ends = not packets.ADDRESSES.isdisjoint(plain) or {f"{_COLUMN}source", f"{_COLUMN}def_src"}.intersection(
        map(str.lower, plain)
    )
    is_ours = has_ends and any("." in name for name in found)
    return Columns(separator=separator, names=plain) if is_ours else None


def _cells(text: str, separator: str) -> list[str]:
    quote = text[:1] if text[:1] in {'"', "'"} else '"'
    if quote not in text:
        return text.split(separator)
    try:
        return next(csv.reader([text], delimiter=separator, quotechar=quote), [])
    except (csv.Error, TypeError):
        raise RefusedError("its quotes are not closed") from None
