"""naabu: JSON of all three shapes it has had, and `host:port` text."""

import re
from typing import Any, ClassVar, Final

from cobalt_tasks.core.records import Discovery
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.formats.base import KnownLineFormat
from cobalt_tasks.ingest.formats.json_lines import JsonFormat

_PROTOCOLS: Final = {0: "tcp", 1: "udp"}
_KEYS: Final = frozenset({"host", "ip", "timestamp", "port", "protocol", "tls", "cdn", "cdn-name", "mac_address", "os"})
_OWN: Final = frozenset({"ip", "port", "protocol", "tls"})
"""What every newer version writes, whatever it writes beside it."""

_CDN: Final = re.compile(r" \[[^\]]{0,64}\]$")


class NaabuJson(JsonFormat):
    """One object a port; 2.1.2 to 2.1.6 put an object where the port's number was."""

    name: ClassVar = "naabu-json"
    family: ClassVar = "naabu"
    tool: ClassVar = "naabu"
    summary: ClassVar = "-json of all its versions"

    @classmethod
    def owns(cls, record: dict[str, Any]) -> bool:
        """Recognise by what it always writes, or by an address, a port, and nothing that naabu does not write."""
        return record.keys() >= _OWN or ("ip" in record and "port" in record and _KEYS.issuperset(record))

    def record(self, record: dict[str, Any], batch: Batch) -> None:
        """Read one port."""
        said = record.get("port")
        if isinstance(said, dict):
            number, protocol = said.get("Port"), _PROTOCOLS.get(said.get("Protocol", 0), "tcp")
        else:
            number, protocol = said, record.get("protocol") or "tcp"
        when = values.timestamp(record.get("timestamp"))
        found = Discovery(
            address=values.address(record.get("ip") or record.get("host"), "ip"),
            protocol=values.protocol(protocol),
            port=values.port(number, "port"),
            observed_at=when,
        )
        batch.discover(found)
        batch.name(found.address, record.get("host"), self.tool, when)


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
        """Read one port; a name without an address says nothing about a host."""
        address, port = _split(line)
        batch.discover(Discovery(address=address, protocol="tcp", port=port))


def _split(line: bytes) -> tuple[str, int]:
    host, colon, port = _CDN.sub("", line.decode("utf-8", "replace")).rpartition(":")
    if not colon:
        raise RefusedError("no host:port")
    return values.address(host, "host"), values.port(port, "port")
