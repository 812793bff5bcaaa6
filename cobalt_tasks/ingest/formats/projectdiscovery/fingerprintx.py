"""fingerprintx --json: one service a line, with what its probe found out."""

import re
from typing import Any, ClassVar, Final

from cobalt_tasks.core.records import Discovery
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.formats.json_lines import JsonFormat
from cobalt_tasks.ingest.formats.json_text import part
from cobalt_tasks.ingest.formats.nmap.services import secured

_USED: Final = frozenset({"ip", "port", "host", "service", "protocol", "transport", "timestamp", "version"})
_SOFTWARE: Final = re.compile(r"([^/\s]+)/(\S+)")
_LONGEST: Final = 128
_LONGEST_BANNER: Final = 4096


class Fingerprintx(JsonFormat):
    """What the metadata has counts: a banner, a version, the headers of a web server."""

    name: ClassVar = "fingerprintx"
    family: ClassVar = "fingerprintx"
    tool: ClassVar = "fingerprintx"
    summary: ClassVar = "--json: services, products and versions"

    @classmethod
    def owns(cls, record: dict[str, Any]) -> bool:
        """Recognise by a transport beside a port, and a service by name."""
        return {"ip", "port", "transport"} <= record.keys() and ("service" in record or "protocol" in record)

    def record(self, record: dict[str, Any], batch: Batch) -> None:
        """Read one service, a `record`, into `batch`."""
        service = values.text(record.get("service") or record.get("protocol"), 64)
        if service is None:
            raise RefusedError("service is missing")
        metadata = record.get("metadata")
        when = values.timestamp(record.get("timestamp"))
        version = values.text(record.get("version") or part(metadata, "version"), _LONGEST)
        # The whole header of a web server is no version: its first word has product and version.
        software = _SOFTWARE.match(version) if version else None
        is_name = version is not None and not any(each.isdigit() for each in version)
        banner = _banner(service, metadata)
        transport = str(record.get("transport") or "tcp")
        if record.get("tls") is True or transport == "tcptls":
            service = secured(service)
        found = Discovery(
            address=values.address(record.get("ip"), "ip"),
            protocol=values.protocol(transport.removesuffix("tls") or "tcp"),
            port=values.port(record.get("port"), "port"),
            observed_at=when,
            service=service,
            product=software[1] if software else version if is_name else None,
            version=software[2] if software else None if is_name else version,
            banner=banner,
            details=values.rest(record, _USED),
        )
        batch.discover(found)
        batch.name(found.address, record.get("host"), self.tool, when)


def _banner(service: str, metadata: Any) -> bytes:
    """Return the words of the server, or the head of its answer, as far as the metadata has them."""
    banner = part(metadata, "banner")
    if isinstance(banner, str):
        return banner.encode("utf-8", "replace")[:_LONGEST_BANNER]
    headers = part(metadata, "responseHeaders")
    if not isinstance(headers, dict):
        return service.encode()
    lines = [
        f"{name}: {value}"
        for name, several in headers.items()
        for value in (several if isinstance(several, list) else [several])
    ]
    status = values.text(part(metadata, "status")) or "200 OK"
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode("utf-8", "replace")[:_LONGEST_BANNER]
