"""httpx -json: one web server a line, with its title, technologies and redirect."""

from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from cobalt_tasks.core.records import Discovery
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.formats import described_certificates
from cobalt_tasks.ingest.formats.json_lines import JsonFormat
from cobalt_tasks.ingest.formats.names import host_of
from cobalt_tasks.ingest.formats.projectdiscovery.tlsx import of_tls

_USED: Final = frozenset(
    {"timestamp", "host_ip", "host", "port", "failed", "body", "raw_header", "request", "response"}
)
_LONGEST: Final = 128
_SIGNS: Final = frozenset({"input", "webserver", "tech", "technologies", "title"})
_PORTS: Final = {"http": 80, "https": 443}


class Httpx(JsonFormat):
    """No answer is ignored."""

    name: ClassVar = "httpx"
    family: ClassVar = "httpx"
    tool: ClassVar = "httpx"
    summary: ClassVar = "-json: web servers, titles, technologies and redirects"

    @classmethod
    def owns(cls, record: dict[str, Any]) -> bool:
        """Recognise by a URL and how it was answered."""
        is_answered = "status_code" in record or "status-code" in record or "failed" in record
        return "url" in record and is_answered and not _SIGNS.isdisjoint(record)

    def record(self, record: dict[str, Any], batch: Batch) -> None:
        """Read one answer, a `record`, into `batch`."""
        if record.get("failed") is True:
            batch.ignore()
            return
        resolved = record.get("a")
        first = resolved[0] if isinstance(resolved, list) and resolved else None
        address = values.address(record.get("host_ip") or first or record.get("host"), "host_ip")
        when = values.timestamp(record.get("timestamp"))
        server = values.text(record.get("webserver"), _LONGEST)
        scheme, default = _scheme_and_port(record.get("url"))
        port = values.port(record.get("port") or default, "port")
        batch.discover(
            Discovery(
                address=address,
                protocol="tcp",
                port=port,
                observed_at=when,
                service="https" if record.get("scheme", scheme) == "https" else "http",
                banner=(f"HTTP/1.1 {_status(record)}\r\nServer: {server}\r\n\r\n" if server else "").encode(),
                details=values.rest(record, _USED),
            ),
        )
        if isinstance(tls := record.get("tls") or record.get("tls-grab"), dict):
            described_certificates.add(batch, (address, "tcp", port), of_tls(tls), when)
        batch.name(address, host_of(record.get("location")), "redirect", when)
        batch.name(address, host_of(record.get("url")) or record.get("input"), self.tool, when)


def _scheme_and_port(url: Any) -> tuple[str, int | None]:
    """Return the scheme and port of a URL: the first versions wrote them nowhere else."""
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        return parts.scheme, parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return "", None


def _status(record: dict[str, Any]) -> int:
    code = record.get("status_code", record.get("status-code"))
    return code if isinstance(code, int) else 200
