"""Capture lines: one JSON object a line, `{"type": "connection", "src_ip": …, "dst_ip": …, "dst_port": …}`."""

from typing import Any, ClassVar, Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from cobalt_tasks.core.records import Observation
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.formats.base import BLANK
from cobalt_tasks.ingest.formats.json_lines import JsonFormat
from cobalt_tasks.ingest.formats.json_text import UNREADABLE, explain, is_spread

_REMEMBERED: Final = 4096
_KNOWN_METADATA: Final = frozenset({"protocol", "process"})
_LONGEST_PROCESS: Final = 256


_NOTHING: Final = Raw(b"")


class _Line(Struct, gc=False):
    type: str = ""
    src_ip: str = ""
    dst_ip: str = ""
    dst_port: int | None = None
    metadata: Raw | UnsetType = UNSET
    timestamp: float | str | None = None
    src_port: int | None = None
    protocol: str | None = None
    protocol_id: int | None = None
    src_mac: Raw | UnsetType = UNSET
    dst_mac: Raw | UnsetType = UNSET
    device_vendor: Raw | UnsetType = UNSET
    packet_size: Raw | UnsetType = UNSET


class _Plain(Struct, gc=False, forbid_unknown_fields=True):
    """The usual line, as `cobalt capture` prints it."""

    type: str
    src_ip: str
    dst_ip: str
    dst_port: int
    metadata: Raw = _NOTHING
    timestamp: float | None = None
    event: str | None = None


_EXTRAS: Final = ("src_mac", "dst_mac", "device_vendor", "packet_size")
_IGNORED: Final = frozenset({"heartbeat", "status", "summary"})
_Metadata = tuple[str | None, str | None, dict[str, Any] | None]
_Described = tuple[str, str | None, str | None]
"""Protocol, process, and the other details as JSON."""

_HIGHEST_PORT: Final = 0xFFFF
_decode = msgspec.json.Decoder(_Line).decode
_decode_plain = msgspec.json.Decoder(_Plain).decode
_decode_metadata = msgspec.json.Decoder(dict[str, Any] | None).decode


class Capture(JsonFormat):
    """Connections, heartbeats, and the noise that `2>&1` mixes in."""

    name: ClassVar = "capture"
    family: ClassVar = "capture"
    tool: ClassVar = "capture"
    summary: ClassVar = 'the capture lines of this project: `{"type": "connection", …}`, with heartbeats and noise'
    is_traffic: ClassVar = True

    def __init__(self) -> None:
        """Start without remembered metadata."""
        # Captures report the same of thousands of connections; what it means is worked out once.
        self._metadata: dict[bytes, _Described] = {}

    @classmethod
    def owns(cls, record: dict[str, Any]) -> bool:
        """Recognise a connection or a heartbeat."""
        return record.get("type") in ("connection", "heartbeat") and "event_type" not in record

    def parse(self, data: bytes, position: int, batch: Batch) -> None:
        """Read each line of `data`, from byte `position` on, into `batch`: the plain ones here, in few steps, all others one by one."""
        start, knows_form = position, False
        known, described, append = values.known_addresses.get, self._metadata.get, batch.observations.append
        source, arrived = batch.source_id, batch.arrived_at
        for line in data.split(b"\n"):
            try:
                seen = _decode_plain(line)
                meant = described(bytes(seen.metadata)) or self._describe_plain(bytes(seen.metadata))
                port, when = seen.dst_port, seen.timestamp
                src = known(seen.src_ip) or values.address(seen.src_ip, "src_ip")
                dst = known(seen.dst_ip) or values.address(seen.dst_ip, "dst_ip")
                if seen.type != "connection" or not 0 <= port <= _HIGHEST_PORT:
                    raise RefusedError
                if when is None:
                    when = arrived
                elif not 0 <= when <= values.LATEST:
                    raise RefusedError
            except (ValueError, RecursionError):
                if not knows_form and is_spread(data):
                    super().parse(data[position - start :], position, batch)
                    return
                knows_form = True
                self._other(line, position, batch)
            else:
                append((source, when, arrived, src, None, dst, port, meant[0], meant[1], None, meant[2]))
            position += len(line) + 1

    def record(self, record: dict[str, Any], batch: Batch) -> None:
        """Read one object, a `record`, into `batch`."""
        try:
            seen = _decode(msgspec.json.encode(record))
        except UNREADABLE as error:
            raise RefusedError(explain(error)) from None
        self._take(seen, batch)

    def _other(self, line: bytes, position: int, batch: Batch) -> None:
        """Read a line that is not a plain one."""
        try:
            seen = _decode(line)
        except UNREADABLE:
            seen = _Line()
        if not seen.type:
            super().parse(line, position, batch)
            return
        try:
            self._take(seen, batch)
        except RefusedError as refused:
            batch.reject(position, str(refused), line.strip(BLANK))

    def _take(self, seen: _Line, batch: Batch) -> None:
        if seen.type != "connection":
            if seen.type not in _IGNORED:
                raise RefusedError(f"type is none of ours: {seen.type[:32]!r}" if seen.type else "type is missing")
            batch.ignore()
            return
        protocol, process, details = self._describe(seen)
        batch.observe(
            Observation(
                src_ip=values.address(seen.src_ip, "src_ip"),
                dst_ip=values.address(seen.dst_ip, "dst_ip"),
                dst_port=values.port(seen.dst_port, "dst_port"),
                src_port=None if seen.src_port is None else values.port(seen.src_port, "src_port"),
                observed_at=None if seen.timestamp is None else values.timestamp(seen.timestamp),
                protocol=protocol,
                process=process,
                details=details,
            ),
        )

    def _describe_plain(self, metadata: bytes) -> _Described:
        """Work out what metadata means, and remember it."""
        if len(self._metadata) >= _REMEMBERED:
            self._metadata.clear()
        known = self._metadata[metadata] = _combine(_Line(), _metadata(metadata), {})
        return known

    def _describe(self, seen: _Line) -> _Described:
        """Return protocol, process and the other details of a line."""
        extras = {name: raw for name in _EXTRAS if (raw := getattr(seen, name)) is not UNSET}
        return _combine(seen, _metadata(b"" if seen.metadata is UNSET else bytes(seen.metadata)), extras)


def _metadata(text: bytes) -> _Metadata:
    if not text:
        return None, None, None
    try:
        found = _decode_metadata(text)
    except UNREADABLE as error:
        raise RefusedError(f"metadata: {explain(error)}") from None
    if not found:
        return None, None, None
    others = {name: value for name, value in found.items() if name not in _KNOWN_METADATA}
    return found.get("protocol"), values.text(found.get("process"), _LONGEST_PROCESS), others or None


def _combine(seen: _Line, metadata: _Metadata, extras: dict[str, Raw]) -> _Described:
    named, process, others = metadata
    number = seen.protocol_id
    said = next((each for each in (seen.protocol, named, number) if each not in (None, "")), "tcp")
    details = {**extras, **(others or {})}
    return values.protocol(said), process, values.details(details)
