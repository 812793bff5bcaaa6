"""The lease files of Kea: kea-leases4.csv and kea-leases6.csv."""

from typing import ClassVar, Final

from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.formats import seen_hosts
from cobalt_tasks.ingest.formats.csv_table import CsvTable

_COLUMNS: Final = frozenset({"address", "valid_lifetime", "expire", "subnet_id"})
_DECLINED: Final = "1"
_PREFIX: Final = "2"
"""The type of a lease of a whole network."""

_KEPT: Final = ("state", "expire", "subnet_id", "client_id", "duid", "user_context")


class KeaLeases(CsvTable):
    """A lease that the server took back, without a lifetime, and an address that is in use elsewhere are ignored."""

    name: ClassVar = "kea-leases"
    family: ClassVar = "dhcp"
    tool: ClassVar = "kea"
    summary: ClassVar = "the lease files of Kea, for IPv4 and IPv6"
    is_traffic: ClassVar = True
    separators: ClassVar = ","

    @classmethod
    def is_header(cls, columns: list[str]) -> bool:
        """Return whether these are Kea's columns."""
        return set(columns) >= _COLUMNS

    def row(self, record: dict[str, str], batch: Batch) -> None:
        """Read one lease, a `record`, into `batch`."""
        address = values.address(record.get("address"), "address")
        lifetime, expires = (values.timestamp(record.get(each)) or 0 for each in ("valid_lifetime", "expire"))
        if not lifetime or record.get("state") == _DECLINED or record.get("lease_type") == _PREFIX:
            batch.ignore()
            return
        # What the client asked for last.
        when = max(expires - lifetime, 0) or None
        kept = {name: record.get(name) for name in _KEPT}
        seen_hosts.add(batch, address, when=when, mac=record.get("hwaddr"), details=kept)
        batch.name(address, record.get("hostname"), "dhcp", when)
