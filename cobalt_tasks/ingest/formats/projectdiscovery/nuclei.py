"""nuclei -jsonl: what a template matched, and where."""

from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from cobalt_tasks.core.records import Discovery
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.formats.json_lines import JsonFormat

Record = dict[str, Any]

_TEMPLATE: Final = ("template-id", "templateID")
_WHERE: Final = ("matched-at", "matched", "url", "host")
_PORTS: Final = {"http": 80, "https": 443}
_SERVICES: Final = {"ssl": "tls"}
_NO_PORT: Final = ("dns", "whois", "file", "code", "workflow")
"""Types of templates that ask about a name, or about nothing in the network."""

_USED: Final = frozenset({
    *("ip", "port", "scheme", "timestamp", "request", "response", "curl-command", "template-encoded", "template-path"),
    *("template", "template-url", "matcher-status", "interaction", "curl_command"),
})  # fmt: skip
_DIGITS: Final = 5
_LONGEST_ANSWER: Final = 4096
_END_OF_HEAD: Final = "\r\n\r\n"


class Nuclei(JsonFormat):
    """A match shows an open port and its service; the finding itself is kept in the details, and not judged."""

    name: ClassVar = "nuclei"
    family: ClassVar = "nuclei"
    tool: ClassVar = "nuclei"
    summary: ClassVar = "-jsonl: the ports and services that answered; findings are kept in the details"
    longest: ClassVar = 16 << 20

    @classmethod
    def owns(cls, record: Record) -> bool:
        """Recognise by a template, and where it matched."""
        return "info" in record and any(each in record for each in _TEMPLATE) and any(each in record for each in _WHERE)

    def record(self, record: Record, batch: Batch) -> None:
        """Read one match, a `record`, into `batch`."""
        kind = record.get("type")
        if record.get("matcher-status") is False or kind in _NO_PORT:
            batch.ignore()
            return
        scheme, host, port = _place(record)
        address = values.address(record.get("ip") or host, "ip")
        when = values.timestamp(record.get("timestamp"))
        answer = record.get("response")
        head = answer.partition(_END_OF_HEAD)[0] + _END_OF_HEAD if isinstance(answer, str) and kind == "http" else ""
        service = scheme if scheme in _PORTS else _SERVICES.get(str(kind))
        batch.discover(
            Discovery(
                address=address,
                protocol="tcp",
                port=values.port(record.get("port") or port, "port"),
                observed_at=when,
                service=service,
                banner=head.encode("utf-8", "replace")[:_LONGEST_ANSWER] if head.startswith("HTTP/") else None,
                details=values.rest(record, _USED),
            )
        )
        batch.name(address, host, self.tool, when)


def _place(record: Record) -> tuple[str, str | None, int | None]:
    """Return scheme, host and port of the place that matched, as far as the texts have them; the first that has a port counts."""
    found: list[tuple[str, str | None, int | None]] = []
    for name in _WHERE:
        text = record.get(name)
        if not isinstance(text, str) or not text:
            continue
        before, _, behind = text.rpartition(":")
        if text != record.get("ip") and behind.isdecimal() and len(behind) <= _DIGITS and values.is_address(before):
            # IPv6 without brackets.
            found.append(("", before, int(behind)))
            continue
        try:
            parts = urlsplit(text if "://" in text[:16] else f"//{text}")
            found.append((parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)))
        except ValueError:
            continue
    scheme = str(record.get("scheme") or next((each[0] for each in found if each[0]), ""))
    host = next((each[1] for each in found if each[1]), None)
    return scheme, host, next((each[2] for each in found if each[2]), None) or _PORTS.get(scheme)
