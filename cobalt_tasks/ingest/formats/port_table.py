"""A table of ports of any program's or person's: CSV whose header names an address and a port."""

import re
from collections.abc import Mapping
from typing import ClassVar, Final

from cobalt_tasks.core.records import Discovery, FactRank
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.formats import foreign
from cobalt_tasks.ingest.formats.csv_table import CsvTable
from cobalt_tasks.ingest.formats.log_prefix import Prefix
from cobalt_tasks.ingest.formats.nmap.services import service_name, version_parts

_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "address": (
        "ip",
        "ip address",
        "ipaddress",
        "ipaddr",
        "ipv4",
        "ipv6",
        "host ip",
        "ip str",
        "address",
        "addr",
        "host",
    ),
    "port": ("port", "port number", "portnumber", "portid", "port id", "open port"),
    "protocol": ("protocol", "proto", "transport", "port protocol", "transport protocol"),
    "service": ("service", "service name", "servicename", "scheme"),
    "product": ("product", "service product", "software"),
    "version": ("version", "service version", "software version", "product version"),
    "banner": ("banner", "service banner"),
    "server": ("webserver", "web server", "server", "server header"),
    "state": ("state", "port state", "status", "port status"),
    "name": ("hostname", "host name", "fqdn", "dns", "dns name", "domain", "host", "input"),
    "mac": ("mac", "mac address", "macaddress"),
    "time": ("timestamp", "time", "date", "last seen", "lastseen", "seen", "scan time", "scan date"),
}
"""What columns are called, the better names first; a column is used once."""

_NEEDED: Final = frozenset({"address", "port"})
_is_end: Final = re.compile(
    r"(?:src|dst|source|dest|destination|local|remote|peer|client) ?(?:ip|addr|address|port|host)"
).fullmatch
"""Matches a column of a list of connections."""

_OPEN: Final = ("", "open", "up", "listening", "listen", "active", "true", "1", "yes", "ok", "success")
_NOTHING: Final = ("-", "n/a", "na", "none", "null", "nan", "unknown", "?")
"""What programs write for a value that they do not have."""

_PORT: Final = re.compile(r"(\d{1,5})/([a-z]{3,8})")
_LONGEST: Final = 128


class PortTable(CsvTable):
    """Which program looked, and when, is not known: nothing is probed for it. Columns of other names are kept."""

    name: ClassVar = "csv"
    family: ClassVar = "csv"
    tool: ClassVar = "csv"
    summary: ClassVar = "any table with columns `ip` and `port`, perhaps `protocol`, `service`, `product`, `version`, `hostname`, `state`, `timestamp`"
    is_traffic: ClassVar = True
    separators: ClassVar = ",;\t|"

    @classmethod
    def is_header(cls, columns: list[str]) -> bool:
        """Return whether the columns have an address and a port, and not two of them."""
        return _columns(columns).keys() >= _NEEDED and not any(_is_end(_plain(each)) for each in columns)

    @classmethod
    def score(cls, sample: bytes) -> int:
        """Recognise by the header, unless it is that of a report which is known to need another form.

        Behind the prefix of a log there may be a table of another format: it is taken off first.
        """
        is_other = foreign.advice(sample) or Prefix(sample, keeps_times=False).is_there
        return 0 if is_other else super().score(sample)

    def row(self, record: dict[str, str], batch: Batch) -> None:
        """Read one port, a `record`, into `batch`."""
        columns = _columns(self.names)
        cells = {known: _cell(record.get(column, "")) for known, column in columns.items()}
        if cells.get("state", "").lower() not in _OPEN:
            batch.ignore()
            return
        port, protocol = cells["port"].lower(), cells.get("protocol", "").lower() or "tcp"
        if found := _PORT.fullmatch(port):
            port, protocol = found[1], found[2]
        address = values.address(cells["address"], columns["address"])
        when = values.timestamp_or_none(cells.get("time"))
        service, product, version = (cells.get(each) or None for each in ("service", "product", "version"))
        banner = cells.get("banner") or " ".join(each for each in (product, version) if each)
        if server := cells.get("server"):
            # The words of a web server, as httpx has them.
            banner = banner or f"HTTP/1.1 200\r\nServer: {server}\r\n\r\n"
            service = service or "http"
        if version and not product:
            # `OpenSSH 8.2` in one column.
            product, version, _ = version_parts(version)
        used = set(columns.values()) - ({columns.get("time")} if when is None else set())
        batch.discover(
            Discovery(
                address=address,
                protocol=values.protocol(protocol),
                port=values.port(port, columns["port"]),
                observed_at=when,
                service=service_name(service.lower()) if service else None,
                product=values.text(product, _LONGEST),
                version=values.text(version, _LONGEST),
                banner=banner.encode() if banner else None,
                rank=FactRank.BANNER if banner else FactRank.PORT_NUMBER,
                seen_in_traffic=True,
                details=values.rest(record, used),
            )
        )
        batch.name(address, cells.get("name"), "csv", when)
        batch.hardware(address, cells.get("mac"), None, when)


def _cell(text: str) -> str:
    return "" if text.lower() in _NOTHING else text


def _plain(name: str) -> str:
    return re.sub(r"[\s_.-]+", " ", name).strip()


def _columns(names: list[str]) -> dict[str, str]:
    """Return the column of each value that the table has."""
    by_name = {_plain(each): each for each in reversed(names)}
    found: dict[str, str] = {}
    for value, several in _NAMES.items():
        column = next(
            (by_name[each] for each in several if each in by_name and by_name[each] not in found.values()), None
        )
        if column is not None:
            found[value] = column
    return found
