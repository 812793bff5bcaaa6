"""naabu: JSON of all the shapes it has had, CSV, and `host:port` text."""

import re
from typing import Any, ClassVar, Final

from cobalt_tasks.core.records import Discovery, FactRank
from cobalt_tasks.core.text import hostname
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.formats.base import KnownLineFormat
from cobalt_tasks.ingest.formats.csv_table import Columns, CsvTable
from cobalt_tasks.ingest.formats.json_lines import JsonFormat
from cobalt_tasks.ingest.formats.nmap.services import service_name

_UDP: Final = 1
_KEYS: Final = frozenset({
    *("host", "ip", "timestamp", "port", "protocol", "tls", "cdn", "cdn-name", "mac_address", "os", "name", "product"),
    *("version", "service", "confidence", "cpes", "extra_info", "device_type", "method", "os_type", "tunnel"),
})  # fmt: skip
_OWN: Final = frozenset({"ip", "port", "protocol", "tls"})
"""What every newer version writes, whatever it writes beside it."""

_USED: Final = frozenset({"ip", "host", "port", "protocol", "timestamp", "name", "product", "version", "service"})
_CSV: Final = frozenset({"host", "ip", "port", "protocol", "tls", "cdn", "cdn-name", "timestamp", "mac_address"})
"""The columns of its CSV. Some versions leave those out that are empty; the time never is."""

_UNNAMED: Final = (
    *("device_type", "extra_info", "high_version", "hostname", "low_version", "method", "name", "os_type", "product"),
    *("proto", "rpc_num", "service_fp", "tunnel", "version", "confidence"),
)
"""What 2.3.4 and later write below one last column, which has no name."""

_OLD_PORT: Final = re.compile(r"(\d{1,5})-([01])-(?:true|false)")
"""A port in the CSV of 2.1: number, protocol and TLS."""

_CDN: Final = re.compile(r" \[[^\]]{0,64}\]$")
_LONGEST: Final = 128


class NaabuJson(JsonFormat):
    """One object a port; 2.1.2 to 2.1.6 put an object where the port's number was."""

    name: ClassVar = "naabu-json"
    family: ClassVar = "naabu"
    tool: ClassVar = "naabu"
    summary: ClassVar = "-json of all its versions, with the services of -sV"

    @classmethod
    def owns(cls, record: dict[str, Any]) -> bool:
        """Recognise by what it always writes, or by an address, a port, and nothing that naabu does not write."""
        is_port = "ip" in record and "port" in record
        return is_port and "transport" not in record and (record.keys() >= _OWN or _KEYS.issuperset(record))

    def record(self, record: dict[str, Any], batch: Batch) -> None:
        """Read one port, a `record`, into `batch`."""
        _add(record, batch)


class NaabuCsv(CsvTable):
    """Columns by the header."""

    name: ClassVar = "naabu-csv"
    family: ClassVar = "naabu"
    tool: ClassVar = "naabu"
    summary: ClassVar = "-csv"

    @classmethod
    def is_header(cls, columns: list[str]) -> bool:
        """Return whether these are naabu's columns."""
        return {"ip", "port"} <= set(columns) <= _CSV | {""} and not {"host", "timestamp"}.isdisjoint(columns)

    @classmethod
    def _header(cls, line: bytes) -> Columns | None:
        header = super()._header(line)
        if header is not None and header.names[-1] == "":
            header.names[-1:] = _UNNAMED
        return header

    def row(self, record: dict[str, str], batch: Batch) -> None:
        """Read one port, a `record`, into `batch`."""
        _add(dict(record), batch)


class NaabuText(KnownLineFormat):
    """`192.0.2.10:443`, perhaps with ` [cdn]`; IPv6 without brackets, so that the last colon counts."""

    name: ClassVar = "naabu-text"
    family: ClassVar = "naabu"
    tool: ClassVar = "naabu"
    summary: ClassVar = "`host:port` lines"

    @classmethod
    def recognises(cls, line: bytes) -> bool:
        """Recognise an address with a port."""
        try:
            _split(line)
        except RefusedError:
            return False
        return True

    def line(self, line: bytes, batch: Batch) -> None:
        """Read one port, a `line`, into `batch`; a name without an address is about no host."""
        address, port = _split(line)
        batch.discover(Discovery(address=address, protocol="tcp", port=port))


def _add(record: dict[str, Any], batch: Batch) -> None:
    given = record.get("port")
    if isinstance(given, dict):
        kind = given.get("Protocol", 0)
        number, protocol = given.get("Port"), "udp" if kind in (_UDP, "udp") else "tcp"
    else:
        number, protocol = given, record.get("protocol") or "tcp"
        if isinstance(given, str) and (old := _OLD_PORT.fullmatch(given)):
            number, protocol = old[1], "udp" if int(old[2]) == _UDP else "tcp"
    when = values.timestamp(record.get("timestamp"))
    nested = record.get("service")
    about = nested if isinstance(nested, dict) else record
    name = service_name(about.get("name") or (nested if isinstance(nested, str) else None))
    product, version = (values.text(about.get(each), _LONGEST) for each in ("product", "version"))
    words = " ".join(each for each in (product, version) if each)
    details = values.rest({**record, **(nested if isinstance(nested, dict) else {})}, _USED)
    found = Discovery(
        address=values.address(record.get("ip") or record.get("host"), "ip"),
        protocol=values.protocol(protocol),
        port=values.port(number, "port"),
        observed_at=when,
        service=name,
        product=product,
        version=version,
        banner=words.encode() if name else None,
        rank=FactRank.VERSION_SCAN,
        details=details,
    )
    batch.discover(found)
    batch.name(found.address, record.get("host"), "naabu", when)
    batch.hardware(found.address, record.get("mac_address"), None, when)


def _split(line: bytes) -> tuple[str, int]:
    host, colon, port = _CDN.sub("", line.decode("utf-8", "replace")).rpartition(":")
    if not colon:
        raise RefusedError("no host:port")
    if hostname(host) and not values.is_address(host):
        raise RefusedError(f"it has a name ({host[:64]}) and no address: naabu -json writes both")
    return values.address(host, "host"), values.port(port, "port")
