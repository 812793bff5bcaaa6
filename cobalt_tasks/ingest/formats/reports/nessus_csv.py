"""Nessus and Tenable: the report as CSV: hosts and ports; findings are not read."""

import re
from typing import ClassVar, Final

from cobalt_tasks.core.records import Discovery
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.formats.csv_table import CsvTable
from cobalt_tasks.ingest.formats.encoding import certificate_of
from cobalt_tasks.ingest.formats.nmap.services import secured
from cobalt_tasks.ingest.formats.reports.nessus import banner_of

_NEEDED: Final = frozenset({"plugin id", "host", "port"})
_RUNNING: Final = re.compile(r"\bAn? (\w{2,20}) server is running on this port( through (?:TLS|SSL))?")
_SERVICES: Final = {"web": "http"}
_KEPT: Final = ("os", "system type", "netbios", "netbios name")


class NessusCsv(CsvTable):
    """One finding a row: its host is up, and its port open; what the plugins found out about the service counts."""

    name: ClassVar = "nessus-csv"
    family: ClassVar = "nessus"
    tool: ClassVar = "nessus"
    summary: ClassVar = "the report as CSV: hosts and ports; no findings"
    separators: ClassVar = ",;\t"

    @classmethod
    def is_header(cls, columns: list[str]) -> bool:
        """Return whether these are the columns of a report."""
        return set(columns) >= _NEEDED

    def row(self, record: dict[str, str], batch: Batch) -> None:
        """Read one finding, a `record`, into `batch`."""
        address = values.address(record.get("ip address") or record.get("host"), "Host")
        port, protocol = values.port(record.get("port") or 0, "Port"), values.protocol(record.get("protocol") or "tcp")
        when = values.timestamp_or_none(record.get("host end") or record.get("host start"))
        output = record.get("plugin output", "")
        service, banner = _service(output) if port else (None, None)
        batch.discover(
            Discovery(
                address=address,
                protocol=protocol if port else "ip",
                port=port,
                observed_at=when,
                service=service,
                banner=banner,
                details=None if port else values.rest({name: record.get(name) for name in _KEPT}, ()),
            )
        )
        for name in ("fqdn", "dns name", "host"):
            batch.name(address, record.get(name), "ptr", when)
        for mac in record.get("mac address", "").split()[:1]:
            batch.hardware(address, mac, None, when)
        if port and (der := certificate_of(output)):
            batch.certificate(address, protocol, port, der, when)


def _service(output: str) -> tuple[str | None, bytes | None]:
    """Return service and banner, as far as the output of a plugin shows them."""
    if banner := banner_of([output]):
        return "ssh" if banner.startswith(b"SSH-") else "http", banner
    found = _RUNNING.search(output)
    if found is None:
        return None, None
    name = _SERVICES.get(found[1].lower(), found[1].lower())
    return secured(name) if found[2] else name, None
