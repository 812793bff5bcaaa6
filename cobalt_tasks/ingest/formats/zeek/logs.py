"""Zeek: conn.log and ssl.log, as TSV by their own header, and as JSON."""

from typing import Any, ClassVar, Final

import msgspec

from cobalt_tasks.core.records import Observation
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.formats.base import LineFormat
from cobalt_tasks.ingest.formats.json_lines import JsonFormat

_DETAILS: Final = (
    *("service", "duration", "orig_bytes", "resp_bytes", "conn_state", "orig_pkts", "resp_pkts", "missed_bytes"),
    *("version", "cipher", "server_name", "subject", "issuer", "validation_status", "ja3", "ja3s"),
)
_NUMBERS: Final = frozenset({"orig_bytes", "resp_bytes", "orig_pkts", "resp_pkts", "missed_bytes"})
_LONGEST: Final = 512
_LONGEST_IDENTITY: Final = 64


class _Header(msgspec.Struct):
    """What the lines that start with # declare about those that follow."""

    separator: str = "\t"
    fields: list[str] = []
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

    def line(self, line: bytes, batch: Batch) -> None:
        """Read a `line` of the header, or one record, into `batch`."""
        text = line.decode("utf-8", "replace")
        if text.startswith("#"):
            self._read_header(text)
            return
        header = self._header
        if not header.fields:
            raise RefusedError("no #fields line before it")
        cells = text.split(header.separator)
        if len(cells) != len(header.fields):
            raise RefusedError(f"{len(cells)} cells for {len(header.fields)} fields")
        absent = {header.unset, header.empty, ""}
        _take({name: cell for name, cell in zip(header.fields, cells, strict=True) if cell not in absent}, batch)

    def _read_header(self, text: str) -> None:
        if text.startswith("#separator "):
            declared = text.removeprefix("#separator ").strip()
            code = declared.removeprefix("\\x")[:2] if declared.startswith("\\x") else ""
            self._header = _Header(separator=chr(int(code, 16)) if _is_hex(code) else declared[:1] or "\t")
            return
        name, _, rest = text.partition(self._header.separator)
        if name == "#fields":
            self._header.fields = rest.split(self._header.separator)
        elif name == "#empty_field":
            self._header.empty = rest
        elif name == "#unset_field":
            self._header.unset = rest


class ZeekJson(JsonFormat):
    """Keys with dots in them, absent where a value is not set."""

    name: ClassVar = "zeek-json"
    family: ClassVar = "zeek"
    tool: ClassVar = "zeek"
    summary: ClassVar = "logs as JSON"
    is_traffic: ClassVar = True

    @classmethod
    def owns(cls, record: dict[str, Any]) -> bool:
        """Recognise by Zeek's names for the two ends."""
        return "id.orig_h" in record and "id.resp_h" in record

    def record(self, record: dict[str, Any], batch: Batch) -> None:
        """Read one `record` into `batch`."""
        _take(record, batch)


def _take(record: dict[str, Any], batch: Batch) -> None:
    server = values.address(record.get("id.resp_h"), "id.resp_h")
    when = values.timestamp(record.get("ts"))
    details: dict[str, Any] = {name: _number(name, record[name]) for name in _DETAILS if name in record}
    batch.observe(
        Observation(
            src_ip=values.address(record.get("id.orig_h"), "id.orig_h"),
            src_port=values.port(record.get("id.orig_p", 0), "id.orig_p"),
            dst_ip=server,
            dst_port=values.port(record.get("id.resp_p", 0), "id.resp_p"),
            # ssl.log has no protocol: TLS runs on TCP.
            protocol=values.protocol(record.get("proto", "tcp")),
            observed_at=when,
            identity=values.text(record.get("uid"), _LONGEST_IDENTITY),
            details=values.details(details),
        ),
    )
    batch.name(server, record.get("server_name"), "zeek", when)
    batch.name(server, common_name(record.get("subject")), "certificate", when)


def common_name(subject: object) -> str | None:
    """Return the common name of a certificate's subject as tools print it: `CN=www.example.com, O=…`."""
    if not isinstance(subject, str):
        return None
    parts = (part.strip() for part in subject[:_LONGEST].replace("/", ",").split(","))
    return next((part[3:] for part in parts if part[:3].upper() == "CN="), None)


def _number(name: str, value: Any) -> Any:
    if isinstance(value, str):
        text = value[:_LONGEST]
        return int(text) if name in _NUMBERS and text.isascii() and text.isdigit() and len(text) < 19 else text  # noqa: PLR2004
    return value if isinstance(value, int | float | bool) else None


def _is_hex(text: str) -> bool:
    return len(text) == 2 and all(each in "0123456789abcdefABCDEF" for each in text)  # noqa: PLR2004  # one byte
