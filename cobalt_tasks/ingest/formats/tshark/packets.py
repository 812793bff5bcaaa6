"""tshark: `-T ek` (one JSON object a packet, after an index line) and `-T fields -E header=y` (columns by name)."""

import re
from typing import Any, ClassVar, Final

from cobalt_tasks.core.records import Observation
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.formats.base import LineFormat
from cobalt_tasks.ingest.formats.json_lines import JsonFormat

_SOURCES: Final = ("ip_src", "ipv6_src")
_TARGETS: Final = ("ip_dst", "ipv6_dst")
_TRANSPORTS: Final = ("tcp", "udp", "sctp")
_TIMES: Final = ("frame_time_epoch",)
_DEEPEST: Final = 3
_DIGITS: Final = 3
"""Digits of a protocol number."""
_ADDRESSES: Final = frozenset({"ip.src", "ip.dst", "ipv6.src", "ipv6.dst"})
_is_field: Final = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII).fullmatch


class TsharkEk(JsonFormat):
    """Dots become underscores, values are arrays of text, the time is in milliseconds."""

    name: ClassVar = "tshark-ek"
    family: ClassVar = "tshark"
    tool: ClassVar = "tshark"
    summary: ClassVar = "-T ek"
    is_traffic: ClassVar = True

    @classmethod
    def owns(cls, record: dict[str, Any]) -> bool:
        """Recognise an index line, or a packet's layers."""
        return isinstance(record.get("layers"), dict) or (isinstance(record.get("index"), dict) and len(record) == 1)

    def record(self, record: dict[str, Any], batch: Batch) -> None:
        """Read one packet, a `record`, into `batch`; the index lines between them are no records."""
        layers = record.get("layers")
        if not isinstance(layers, dict):
            if isinstance(record.get("index"), dict):
                return
            raise RefusedError("layers are missing")
        fields: dict[str, str] = {}
        _flatten(layers, fields, 0)
        said = record.get("timestamp")
        if not any(name in fields for name in _TIMES) and isinstance(said, str) and said.isascii() and said.isdigit():
            fields["frame_time_epoch"] = f"{said[:-3] or 0}.{said[-3:]}"
        _take(fields, batch)


class TsharkFields(LineFormat):
    """Columns by the header line, empty where a packet has none, at the ends as well; of several values the first counts."""

    name: ClassVar = "tshark-fields"
    family: ClassVar = "tshark"
    tool: ClassVar = "tshark"
    summary: ClassVar = "-T fields -E header=y"
    is_traffic: ClassVar = True
    edges: ClassVar = b"\r"

    def __init__(self) -> None:
        """Start without a header."""
        self._columns: list[str] = []

    @classmethod
    def score(cls, sample: bytes) -> int:
        """Recognise by the header: names of fields, an address among them."""
        return 1000 * any(_is_header(line) for line in sample.split(b"\n", 8)[:8])

    @property
    def state(self) -> str | None:
        """The columns."""
        return "\t".join(self._columns) or None

    @state.setter
    def state(self, text: str | None) -> None:
        self._columns = text.split("\t") if text else []

    def line(self, line: bytes, batch: Batch) -> None:
        """Read the header, or one packet, from a `line` into `batch`."""
        if _is_header(line):
            self._columns = [name.replace(".", "_") for name in line.decode().split("\t")]
            return
        if not self._columns:
            raise RefusedError("no header before it: use -E header=y")
        cells = line.decode("utf-8", "replace").split("\t")
        if len(cells) != len(self._columns):
            raise RefusedError(f"{len(cells)} cells for {len(self._columns)} columns")
        named = zip(self._columns, cells, strict=True)
        _take({name: cell.split(",", 1)[0].strip('"') for name, cell in named if cell}, batch)


def _take(fields: dict[str, str], batch: Batch) -> None:
    source = next((fields[name] for name in _SOURCES if name in fields), None)
    target = next((fields[name] for name in _TARGETS if name in fields), None)
    if source is None and target is None:
        # A frame that is no IP: ARP, spanning tree and the like.
        batch.ignore()
        return
    transport = next((each for each in _TRANSPORTS if f"{each}_dstport" in fields or f"{each}_srcport" in fields), None)
    number = fields.get("ip_proto") or fields.get("ipv6_nxt")
    protocol = transport or (
        int(number) if number and number.isascii() and number.isdigit() and len(number) <= _DIGITS else "ip"
    )
    src_port = fields.get(f"{transport}_srcport")
    batch.observe(
        Observation(
            src_ip=values.address(source, "source"),
            src_port=values.port(src_port, "source port") if src_port else None,
            dst_ip=values.address(target, "destination"),
            dst_port=values.port(fields.get(f"{transport}_dstport") or 0, "destination port"),
            protocol=values.protocol(protocol),
            observed_at=values.timestamp(next((fields[name] for name in _TIMES if name in fields), None)),
        ),
    )


def _flatten(layers: dict[str, Any], fields: dict[str, str], depth: int) -> None:
    """Collect the first value of each field; without -e they lie some levels down, as `layers.ip.ip_ip_src`."""
    for name, value in layers.items():
        first = value[0] if isinstance(value, list) and value else value
        if isinstance(first, str | int):
            parts = name.split("_", 1)
            # `ip_ip_src` is the field ip.src of the layer ip.
            plain = parts[1] if depth and len(parts) > 1 and parts[1].startswith(parts[0]) else name
            fields.setdefault(plain, str(first))
        elif isinstance(first, dict) and depth < _DEEPEST:
            _flatten(first, fields, depth + 1)


def _is_header(line: bytes) -> bool:
    cells = line.strip(b"\r").decode("utf-8", "replace").split("\t")
    return len(cells) > 1 and not _ADDRESSES.isdisjoint(cells) and all(map(_is_field, cells))
