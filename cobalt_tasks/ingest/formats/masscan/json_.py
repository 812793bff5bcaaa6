"""masscan -oJ and -oD: JSON of every age, with all its damage (masscan issues #122, #314, #493, #726, #717, #288).

The file is never read as one document: records are lines, whatever brackets and commas stand between them.
"""

import re
from typing import ClassVar, Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from cobalt_tasks.core.records import Discovery
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.formats import wrapped
from cobalt_tasks.ingest.formats.base import BLANK, KnownLineFormat
from cobalt_tasks.ingest.formats.json_text import UNREADABLE, explain, is_spread, lines, whole
from cobalt_tasks.ingest.formats.masscan import lines as masscan_lines
from cobalt_tasks.ingest.formats.masscan.banner import from_code_points, is_open

_BETWEEN: Final = (b"", b"}")
"""What is left of a line that holds no record: the second is the end of an answer of Elasticsearch."""

_SEPARATORS: Final = BLANK + b",[]"
_BARE_KEY: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|([A-Za-z_]\w*)(?=\s*:)')
_TRAILER: Final = re.compile(rb'\{\s*"?finished"?\s*:\s*1\s*\}')
_RECORDS: Final = re.compile(rb"\}\s*,\s*(?=\{)")
_LONGEST_SERVICE: Final = 64


class _Service(Struct, gc=False):
    name: str = "unknown"
    banner: str = ""


class _Port(Struct, gc=False):
    port: int
    proto: str = "tcp"
    status: str | None = None
    reason: str | None = None
    ttl: int | None = None
    service: _Service | None = None


class _Data(Struct, gc=False):
    status: str | None = None
    reason: str | None = None
    ttl: int | None = None
    service_name: str = "unknown"
    banner: str | None = None


class _Record(Struct, gc=False):
    ip: str
    timestamp: str | float | None = None
    ports: list[_Port] | None = None
    port: int | None = None
    proto: str = "tcp"
    rec_type: str | UnsetType = UNSET
    data: _Data | None = None


_decode = msgspec.json.Decoder(_Record).decode


class MasscanJson(KnownLineFormat):
    """-oJ (one element of an array a line) and -oD (one object a line)."""

    name: ClassVar = "masscan-json"
    family: ClassVar = "masscan"
    tool: ClassVar = "masscan"
    summary: ClassVar = "-oJ of every version and damage, and -oD"
    closes_at_end: ClassVar = True

    @classmethod
    def is_whole(cls, tail: bytes) -> bool:
        """Return whether `tail`, the last bytes of the input, ends the array; -oD has no end but that of a line."""
        last = tail.rstrip().rpartition(b"\n")[2]
        return last.endswith(b"]") or (tail.endswith(b"\n") and last.startswith(b'{"') and last.endswith(b"}"))

    @classmethod
    def recognises(cls, line: bytes) -> bool:
        """Recognise a record, or a line of several, by what only masscan writes."""
        stripped = line.strip(_SEPARATORS)
        return _is_record(stripped) or _is_record(_RECORDS.split(stripped, 1)[0] + b"}")

    @classmethod
    def score(cls, sample: bytes) -> int:
        """Count the lines of the sample, or its objects over several lines, that are surely of this format."""
        return sum(cls.recognises(text.strip(BLANK)) for _, text in lines(sample))

    def split(self, data: bytes) -> int:
        """Cut after the last whole record."""
        return whole(data) if is_spread(data) else super().split(data)

    def parse(self, data: bytes, position: int, batch: Batch) -> None:
        """Read each line of `data`, which starts at byte `position`, into `batch`; one that cannot be read may hold many records, or text between them."""
        if is_spread(data):
            for at, text in lines(data):
                self.parse(text, position + at, batch)
            return
        for line in data.split(b"\n"):
            if (stripped := line.strip(_SEPARATORS)) not in _BETWEEN:
                try:
                    self.line(stripped if stripped.startswith(b"{") else line, batch)
                except RefusedError as refused:
                    self._inside(line, str(refused), position, batch)
            position += len(line) + 1

    def _inside(self, line: bytes, reason: str, position: int, batch: Batch) -> None:
        """Read what is inside of a line that is no record: what it wraps, or several records; else it is refused for `reason`."""
        for at, text in wrapped.lines(line, position, batch):
            pieces = _pieces(line.strip(_SEPARATORS))
            if text != line:
                self.parse(text, at, batch)
            elif len(pieces) == 1:
                batch.reject(position, reason, line)
            else:
                # None of the pieces can be taken apart further.
                self.parse(b"\n".join(pieces), position, batch)

    def line(self, line: bytes, batch: Batch) -> None:
        """Read one record, or one `line` of what masscan prints for people (--interactive), into `batch`."""
        if line.startswith(b"{"):
            if not _TRAILER.fullmatch(line):
                _take(_read(line), batch)
            return
        said = masscan_lines.shown(line)
        if said.startswith(b"{"):
            self.line(said.strip(_SEPARATORS), batch)
        elif not said.startswith(b"#"):
            masscan_lines.read(said, batch)


def _is_record(line: bytes) -> bool:
    try:
        record = _read(line)
    except RefusedError:
        return False
    return record.rec_type is not UNSET or record.ports is not None


def _pieces(line: bytes) -> list[bytes]:
    """Return the records on a line that another program rewrote, or that two outputs share."""
    apart = _RECORDS.sub(b"}\n", line)
    if line.startswith(b"{"):
        apart = apart.replace(b"Discovered ", b"\nDiscovered ")
    return [stripped for piece in apart.split(b"\n") if (stripped := piece.strip(_SEPARATORS))]


def _read(line: bytes) -> _Record:
    try:
        return _decode(line)
    except UNREADABLE as error:
        if isinstance(error, msgspec.DecodeError) and line.startswith(b"{") and not line.startswith(b'{"'):
            try:
                return _decode(_BARE_KEY.sub(_quoted, line))
            except UNREADABLE:
                pass
        raise RefusedError(explain(error)) from None


def _quoted(found: re.Match[bytes]) -> bytes:
    return b'"%s"' % found[1] if found[1] else found[0]


def _take(record: _Record, batch: Batch) -> None:
    address = values.address(record.ip, "ip")
    when = None if record.timestamp is None else values.timestamp(record.timestamp)
    if record.ports is not None:
        found = [_from_port(address, when, port) for port in record.ports]
        for port in record.ports:
            if port.status == "closed" and port.service is None:
                batch.close(address, values.protocol(port.proto), values.port(port.port, "port"), when)
    elif record.data is not None:
        found = [_from_data(address, when, record, record.data)]
        if record.data.status == "closed" and record.data.banner is None:
            batch.close(address, values.protocol(record.proto), values.port(record.port, "port"), when)
    else:
        raise RefusedError("neither ports nor data")
    for each in found or [None]:
        if each is None:
            batch.ignore()
        else:
            batch.discover(each)


def _from_port(address: str, when: float | None, said: _Port) -> Discovery | None:
    service = said.service
    if service is None and not _wanted(said.status):
        return None
    return Discovery(
        address=address,
        protocol=values.protocol(said.proto),
        port=values.port(said.port, "port"),
        observed_at=when,
        reason=values.text(said.reason, _LONGEST_SERVICE),
        ttl=_ttl(said.ttl),
        service=None if service is None else values.text(service.name, _LONGEST_SERVICE),
        banner=None if service is None else from_code_points(service.banner),
    )


def _from_data(address: str, when: float | None, record: _Record, said: _Data) -> Discovery | None:
    if said.banner is None and not _wanted(said.status):
        return None
    return Discovery(
        address=address,
        protocol=values.protocol(record.proto),
        port=values.port(record.port, "port"),
        observed_at=when,
        reason=values.text(said.reason, _LONGEST_SERVICE),
        ttl=_ttl(said.ttl),
        service=None if said.banner is None else values.text(said.service_name, _LONGEST_SERVICE),
        banner=None if said.banner is None else from_code_points(said.banner),
    )


def _wanted(status: str | None) -> bool:
    # The oldest files have no status: all they hold is open.
    wanted = is_open(status or "open")
    if wanted is None:
        raise RefusedError(f"status is none of masscan's: {(status or '')[:32]!r}")
    return wanted


def _ttl(value: int | None) -> int | None:
    return value if value is None or 0 <= value <= 255 else None  # noqa: PLR2004  # one byte of the IP header
