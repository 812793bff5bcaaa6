"""dnsmasq.leases, which is /tmp/dhcp.leases of OpenWrt."""

import re
from typing import ClassVar, Final

from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.formats import seen_hosts
from cobalt_tasks.ingest.formats.base import KnownLineFormat

_LINE: Final = re.compile(
    r"(\d{1,12}) (?:(?:\d\d-)?((?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2})|T?\d{1,10}) ([0-9a-fA-F:.]{2,45}) (\S+)(?: (\S+))?"
)
_OWN: Final = "duid "
"""The line with the server's own identifier, before the leases of IPv6."""

_UNKNOWN: Final = "*"
_FIRST: Final = 978307200
"""2001, when there was no dnsmasq yet: builds for machines without a clock write how long a lease lasts."""


class DnsmasqLeases(KnownLineFormat):
    """When a lease ends is written, and not when it starts: the host was seen by then at the latest."""

    name: ClassVar = "dnsmasq-leases"
    family: ClassVar = "dhcp"
    tool: ClassVar = "dnsmasq"
    summary: ClassVar = "dnsmasq.leases, also of OpenWrt and Pi-hole"
    is_traffic: ClassVar = True

    @classmethod
    def recognises(cls, line: bytes) -> bool:
        """Recognise a lease."""
        found = _LINE.fullmatch(line.decode("utf-8", "replace"))
        return found is not None and values.is_address(found[3])

    def line(self, line: bytes, batch: Batch) -> None:
        """Read one lease, a `line`, into `batch`."""
        text = line.decode("utf-8", "replace")
        if text.startswith(_OWN):
            return
        found = _LINE.fullmatch(text)
        if found is None:
            raise RefusedError("no lease of dnsmasq")
        ends, mac, host, name, client = found.groups()
        address, end = values.address(host, "address"), values.timestamp(ends) or 0
        is_time = end >= _FIRST
        when = end if is_time and end < batch.arrived_at else None
        kept = {"ends" if is_time else "lease_time": end or None, "client_id": None if client == _UNKNOWN else client}
        seen_hosts.add(batch, address, when=when, mac=mac, details=kept)
        batch.name(address, None if name == _UNKNOWN else name, "dhcp", when)
