"""JSON of tlsx, httpx and fingerprintx: what a port speaks, its certificate's names, where it sends people."""

import re
from typing import Any, ClassVar, Final

from cobalt_tasks.core.records import Discovery
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.formats.encoding import base64_or_nothing
from cobalt_tasks.ingest.formats.json_lines import JsonFormat
from cobalt_tasks.ingest.formats.names import host_of

_PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)
_LONGEST: Final = 128
_LONGEST_BANNER: Final = 4096


class Tlsx(JsonFormat):
    """One TLS port a line."""

    name: ClassVar = "tlsx"
    family: ClassVar = "tlsx"
    tool: ClassVar = "tlsx"
    summary: ClassVar = "-json: certificates and their names"

    @classmethod
    def owns(cls, record: dict[str, Any]) -> bool:
        """Recognise by the outcome of a TLS probe."""
        return "probe_status" in record and ("tls_version" in record or "tls_connection" in record or "sni" in record)

    def record(self, record: dict[str, Any], batch: Batch) -> None:
        """Read one port; one that speaks no TLS is ignored."""
        address = values.address(record.get("ip") or record.get("host"), "ip")
        port = values.port(record.get("port"), "port")
        when = values.timestamp(record.get("timestamp"))
        if record.get("probe_status") is not True:
            batch.ignore()
            return
        spoken = " ".join(
            each for name in ("tls_version", "cipher") if (each := values.text(record.get(name), _LONGEST))
        )
        batch.discover(
            Discovery(
                address=address, protocol="tcp", port=port, observed_at=when, service="ssl", banner=spoken.encode()
            ),
        )
        alternatives = record.get("subject_an")
        for name in (record.get("subject_cn"), *(alternatives if isinstance(alternatives, list) else ())):
            batch.name(address, name, "certificate", when)
        batch.name(address, record.get("host"), self.tool, when)
        if isinstance(pem := record.get("certificate"), str) and (found := _PEM.search(pem)):
            batch.certificate(address, "tcp", port, base64_or_nothing(found[1]), when)


class Httpx(JsonFormat):
    """One web server a line."""

    name: ClassVar = "httpx"
    family: ClassVar = "httpx"
    tool: ClassVar = "httpx"
    summary: ClassVar = "-json: web servers and redirects"

    @classmethod
    def owns(cls, record: dict[str, Any]) -> bool:
        """Recognise by a URL and how it was answered."""
        return (
            "url" in record
            and "input" in record
            and ("status_code" in record or "status-code" in record or "failed" in record)
        )

    def record(self, record: dict[str, Any], batch: Batch) -> None:
        """Read one answer; none is ignored."""
        if record.get("failed") is True:
            batch.ignore()
            return
        resolved = record.get("a")
        first = resolved[0] if isinstance(resolved, list) and resolved else None
        address = values.address(record.get("host_ip") or first or record.get("host"), "host_ip")
        port = values.port(record.get("port"), "port")
        when = values.timestamp(record.get("timestamp"))
        server = values.text(record.get("webserver"), _LONGEST)
        batch.discover(
            Discovery(
                address=address,
                protocol="tcp",
                port=port,
                observed_at=when,
                service="http.server",
                banner=(server or "").encode(),
            ),
        )
        batch.name(address, host_of(record.get("location")), "redirect", when)
        batch.name(address, record.get("input"), self.tool, when)


class Fingerprintx(JsonFormat):
    """One service a line."""

    name: ClassVar = "fingerprintx"
    family: ClassVar = "fingerprintx"
    tool: ClassVar = "fingerprintx"
    summary: ClassVar = "--json: services"

    @classmethod
    def owns(cls, record: dict[str, Any]) -> bool:
        """Recognise by a transport beside a port."""
        return {"ip", "port", "transport"} <= record.keys()

    def record(self, record: dict[str, Any], batch: Batch) -> None:
        """Read one service."""
        service = values.text(record.get("service") or record.get("protocol"), 64)
        if service is None:
            raise RefusedError("service is missing")
        metadata = record.get("metadata")
        banner = metadata.get("banner") if isinstance(metadata, dict) else None
        when = values.timestamp(record.get("timestamp"))
        found = Discovery(
            address=values.address(record.get("ip"), "ip"),
            protocol=values.protocol(str(record.get("transport") or "tcp").removesuffix("tls") or "tcp"),
            port=values.port(record.get("port"), "port"),
            observed_at=when,
            service=service,
            version=values.text(record.get("version"), _LONGEST),
            banner=banner.encode()[:_LONGEST_BANNER] if isinstance(banner, str) else service.encode(),
        )
        batch.discover(found)
        batch.name(found.address, record.get("host"), self.tool, when)
