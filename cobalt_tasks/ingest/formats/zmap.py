"""zmap: CSV, with its header or without, and JSON. Where zmap does not report the port, the user names it."""

import re
from typing import Any, ClassVar, Final

from cobalt_tasks.core.records import Discovery
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.formats.base import LineFormat
from cobalt_tasks.ingest.formats.json_lines import JsonFormat

_is_column: Final = re.compile(r"[a-z][a-z0-9_-]*").fullmatch
"""Matches a column's name: each probe module of zmap has its own."""

_ANSWERS: Final = frozenset({
    *("classification", "success", "repeat", "cooldown", "timestamp_ts", "timestamp_str", "app_success", "icmp_responder"),
})  # fmt: skip
"""Columns of which zmap writes at least one with its answers."""

_HEADERLESS: Final = ("saddr", "sport")
_FALSE: Final = frozenset({"0", "false", "False"})
_UDP: Final = frozenset({"udp", "dns", "ntp", "upnp", "bacnet", "ipmi"})
"""Classifications of answers over UDP."""

_ICMP: Final = frozenset({"echoreply"})
_FAILED: Final = frozenset({"rst", "icmp", "icmp-unreach", "unreach", "timxceed", "sourcequench", "redirect", "other"})
_LONGEST: Final = 32
_LONGEST_ANSWER: Final = 4096


class ZmapCsv(LineFormat):
    """Columns by the header line; without one, an address and perhaps a port."""

    name: ClassVar = "zmap-csv"
    family: ClassVar = "zmap"
    tool: ClassVar = "zmap"
    summary: ClassVar = "CSV with a header or without; `--port` where it names none"

    def __init__(self) -> None:
        """Start without a header."""
        self._columns: tuple[str, ...] = _HEADERLESS

    @classmethod
    def score(cls, sample: bytes) -> int:
        """Recognise by the header, or by nothing but addresses, with ports or without."""
        lines = [line.strip() for line in sample.split(b"\n") if line.strip()]
        if lines and _is_header(_cells(lines[0])):
            return len(lines)
        plain = [line for line in lines if _is_plain(line)]
        return len(plain) if len(plain) == len(lines) else 0

    @property
    def state(self) -> str | None:
        """The columns."""
        return None if self._columns == _HEADERLESS else ",".join(self._columns)

    @state.setter
    def state(self, text: str | None) -> None:
        self._columns = tuple(text.split(",")) if text else _HEADERLESS

    def line(self, line: bytes, batch: Batch) -> None:
        """Read a header, or one answer, from a `line` into `batch`."""
        cells = _cells(line)
        if _is_header(cells):
            self._columns = tuple(cells)
            return
        if len(cells) > len(self._columns):
            raise RefusedError(f"{len(cells)} cells for {len(self._columns)} columns")
        _take(dict(zip(self._columns, cells, strict=False)), self.port, batch)


class ZmapJson(JsonFormat):
    """One object an answer."""

    name: ClassVar = "zmap-json"
    family: ClassVar = "zmap"
    tool: ClassVar = "zmap"
    summary: ClassVar = "-O json"

    @classmethod
    def owns(cls, record: dict[str, Any]) -> bool:
        """Recognise by zmap's name for an address."""
        return "saddr" in record and ("daddr" not in record or not _ANSWERS.isdisjoint(record))

    def record(self, record: dict[str, Any], batch: Batch) -> None:
        """Read one answer, a `record`, into `batch`."""
        _take(record, self.port, batch)


def _take(record: dict[str, Any], port: int | None, batch: Batch) -> None:
    source = values.address(record.get("saddr"), "saddr")
    classification = values.text(record.get("classification"), _LONGEST)
    if str(record.get("success", 1)) in _FALSE or classification in _FAILED:
        batch.ignore()
        return
    is_echo, is_udp = classification in _ICMP, classification in _UDP
    said = 0 if is_echo else record.get("sport")
    if (given := port if said in (None, "") else said) is None:
        raise RefusedError("port is missing: name the one that was scanned with --port")
    ttl = record.get("ttl")
    answer = record.get("data") if is_udp else None
    batch.discover(
        Discovery(
            address=source,
            protocol="icmp" if is_echo else "udp" if is_udp else "tcp",
            port=values.port(given, "port"),
            observed_at=values.timestamp(record.get("timestamp_ts") or record.get("timestamp_str") or None),
            reason=classification,
            ttl=values.port(ttl, "ttl") if ttl not in (None, "") else None,
            service="unknown" if answer else None,
            banner=_from_hex(answer) if isinstance(answer, str) and answer else None,
        )
    )


def _from_hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text[: 2 * _LONGEST_ANSWER])
    except ValueError:
        return text.encode("utf-8", "replace")[:_LONGEST_ANSWER]


def _cells(line: bytes) -> list[str]:
    return [cell.strip().strip('"') for cell in line.decode("utf-8", "replace").split(",")]


def _is_header(cells: list[str]) -> bool:
    # A list of flows has both ends: zmap writes the other one only beside what it found out.
    is_flow = "daddr" in cells and _ANSWERS.isdisjoint(cells)
    return "saddr" in cells and not is_flow and all(map(_is_column, cells))


def _is_plain(line: bytes) -> bool:
    cells = _cells(line)
    try:
        values.address(cells[0], "address")
        return len(cells) == 1 or (len(cells) == len(_HEADERLESS) and values.port(cells[1], "port") > 0)
    except RefusedError:
        return False
