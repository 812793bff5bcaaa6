"""zgrab2: one object a target, one module a record, one key each below `data`."""

from typing import Any, ClassVar, Final

from cobalt_tasks.core.records import Discovery
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.formats.encoding import base64_or_nothing
from cobalt_tasks.ingest.formats.json_lines import JsonFormat
from cobalt_tasks.ingest.formats.json_text import part
from cobalt_tasks.ingest.formats.names import host_of
from cobalt_tasks.ingest.formats.zgrab2 import results
from cobalt_tasks.ingest.formats.zgrab2.ports import UDP, default_port

_NAMES: Final = {"amqp091": "amqp", "jarm": "tls", "banner": "unknown"}
"""Modules that are not called as the service they ask."""

_ANSWERED: Final = frozenset({"success", "application-error", "protocol-error", "post-tls-application-error"})
_UNANSWERED: Final = frozenset({
    *("connection-refused", "connection-timeout", "connection-closed", "handshake-error", "io-timeout"),
    *("invalid-inputs", "blocklisted-target", "unknown-error"),
})  # fmt: skip
_CERTIFICATES: Final = (
    ("handshake_log", "server_certificates", "certificate", "raw"),
    ("tls", "handshake_log", "server_certificates", "certificate", "raw"),
    ("response", "request", "tls_log", "handshake_log", "server_certificates", "certificate", "raw"),
)


class Zgrab2(JsonFormat):
    """Banners, certificates and redirects, without a connection of our own."""

    name: ClassVar = "zgrab2"
    family: ClassVar = "zgrab2"
    tool: ClassVar = "zgrab2"
    summary: ClassVar = "its JSON lines: banners, certificates, redirects"

    @classmethod
    def owns(cls, record: dict[str, Any]) -> bool:
        """Recognise by modules with a status."""
        modules = record.get("data")
        named = "ip" in record or "domain" in record
        return (
            named
            and isinstance(modules, dict)
            and any(isinstance(each, dict) and "status" in each for each in modules.values())
        )

    def record(self, record: dict[str, Any], batch: Batch) -> None:
        """Read every module of one target, a `record`, into `batch`; a target that cannot be read is one refused record."""
        name = record.get("domain")
        if record.get("ip") is None and isinstance(name, str):
            raise RefusedError(
                f"it has a name ({name[:64]}) and no address: resolve the names, and feed zgrab2 lines of ADDRESS,NAME"
            )
        address = values.address(record.get("ip"), "ip")
        modules = record.get("data")
        if modules == {} and record.get("error"):
            batch.ignore()
            return
        if not isinstance(modules, dict) or not modules:
            raise RefusedError("data holds no module")
        read = [self._module(address, name, said, record) for name, said in modules.items()]
        for result, found in read:
            if found is None:
                batch.ignore()
                continue
            batch.discover(found)
            self._facts(result, found, batch)
        times = [found.observed_at for _, found in read if found is not None and found.observed_at is not None]
        batch.name(address, record.get("domain"), self.tool, max(times, default=None))

    def _module(
        self,
        address: str,
        name: str,
        said: Any,
        record: dict[str, Any],
    ) -> tuple[Any, Discovery | None]:
        status = part(said, "status")
        if not isinstance(status, str) or status not in _ANSWERED | _UNANSWERED:
            raise RefusedError(f"status of {name[:32]} is none: {str(status)[:32]!r}")
        result = results.own(part(said, "result"))
        protocol = part(said, "protocol")
        service = protocol if isinstance(protocol, str) and protocol else name
        url_service, url_port = results.url(result)
        named = url_service or _NAMES.get(service, service)
        given = (
            part(said, "port"),
            record.get("port"),
            self.port,
            url_port,
            default_port(named) or default_port(service),
        )
        number = values.port(next((each for each in given if each is not None), None), "port")
        when = values.timestamp(part(said, "timestamp") or record.get("timestamp"))
        if status in _UNANSWERED:
            return result, None
        # A module that succeeded names the service, whether it has words to show for it or not.
        banner = results.banner(service, result) or (b"" if status == "success" else None)
        product, version = results.software(service, result)
        return result, Discovery(
            address=address,
            protocol="udp" if service in UDP else "tcp",
            port=number,
            observed_at=when,
            service=None if banner is None else values.text(named, 64),
            product=product,
            version=version,
            banner=banner,
            details=results.details(result),
        )

    def _facts(self, result: Any, found: Discovery, batch: Batch) -> None:
        for path in _CERTIFICATES:
            if isinstance(encoded := part(result, *path), str):
                batch.certificate(
                    found.address, found.protocol, found.port, base64_or_nothing(encoded), found.observed_at
                )
        for location in _list(part(result, "response", "headers", "location")):
            batch.name(found.address, host_of(location), "redirect", found.observed_at)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
