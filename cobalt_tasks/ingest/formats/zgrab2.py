"""zgrab2: one object a target, one module a record, one key each below `data`."""

from typing import Any, ClassVar, Final

from cobalt_tasks.core.records import Discovery
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.formats.encoding import base64_or_nothing
from cobalt_tasks.ingest.formats.json_lines import JsonFormat
from cobalt_tasks.ingest.formats.json_text import part
from cobalt_tasks.protocols.registry import default_port

_PORTS: Final = {
    "ntp": 123,
    "smb": 445,
    "mssql": 1433,
    "oracle": 1521,
    "mongodb": 27017,
    "ipp": 631,
    "modbus": 502,
    "bacnet": 47808,
    "dnp3": 20000,
    "fox": 1911,
    "siemens": 102,
}
"""Where modules go by default whose protocol is not in the registry: older output has no port at all."""

_UDP: Final = frozenset({"ntp", "bacnet"})
_ANSWERED: Final = frozenset({"success", "application-error", "protocol-error", "post-tls-application-error"})
_UNANSWERED: Final = frozenset({
    *("connection-refused", "connection-timeout", "connection-closed", "handshake-error", "io-timeout"),
    *("invalid-inputs", "blocklisted-target", "unknown-error"),
})  # fmt: skip
_BANNERS: Final = (
    *(("banner",), ("server_id", "raw"), ("server_version",), ("info_response",), ("version",)),
    *(("build_info", "version"), ("native_os",), ("supported_versions",)),
)
_CERTIFICATES: Final = (
    ("handshake_log", "server_certificates", "certificate", "raw"),
    ("tls", "handshake_log", "server_certificates", "certificate", "raw"),
    ("response", "request", "tls_log", "handshake_log", "server_certificates", "certificate", "raw"),
)
_HEADERS: Final = ("server", "location", "x_powered_by", "www_authenticate", "content_type")
_LONGEST: Final = 16 * 1024


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
        """Read every module of one target; a target that cannot be read is one refused record."""
        address = values.address(record.get("ip"), "ip")
        modules = record.get("data")
        if not isinstance(modules, dict) or not modules:
            raise RefusedError("data holds no module")
        read = [self._module(address, name, said, record) for name, said in modules.items()]
        for module, found in read:
            if found is None:
                batch.ignore()
                continue
            batch.discover(found)
            self._facts(module, found, batch)
        batch.name(address, record.get("domain"), self.tool, None)

    def _module(
        self,
        address: str,
        name: str,
        said: Any,
        record: dict[str, Any],
    ) -> tuple[dict[str, Any], Discovery | None]:
        status = part(said, "status")
        if status not in _ANSWERED | _UNANSWERED:
            raise RefusedError(f"status of {name[:32]} is none: {str(status)[:32]!r}")
        protocol = part(said, "protocol")
        service = protocol if isinstance(protocol, str) and protocol else name
        port = next((each for each in (part(said, "port"), record.get("port"), self.port) if each is not None), None)
        number = values.port(_default_port(service) if port is None else port, "port")
        when = values.timestamp(part(said, "timestamp"))
        if status in _UNANSWERED:
            return said, None
        # A module that succeeded names the service, whether it has words to show for it or not.
        banner = _banner(part(said, "result")) or (b"" if status == "success" else None)
        return said, Discovery(
            address=address,
            protocol="udp" if service in _UDP else "tcp",
            port=number,
            observed_at=when,
            service=None if banner is None else values.text(service, 64),
            banner=banner,
        )

    def _facts(self, module: dict[str, Any], found: Discovery, batch: Batch) -> None:
        result = part(module, "result")
        for path in _CERTIFICATES:
            if isinstance(encoded := part(result, *path), str):
                batch.certificate(
                    found.address, found.protocol, found.port, base64_or_nothing(encoded), found.observed_at
                )
        redirects = part(result, "redirect_response_chain")
        responses = [part(result, "response"), *(redirects if isinstance(redirects, list) else [])]
        for response in responses:
            for location in _list(part(response, "headers", "location")):
                batch.name(found.address, host_of(location), "redirect", found.observed_at)


def _default_port(module: str) -> int | None:
    return default_port(module) or _PORTS.get(module)


def host_of(url: object) -> str | None:
    """Return the host a URL names, without its port."""
    if not isinstance(url, str) or "://" not in url[:16]:
        return None
    return url.split("://", 1)[1].split("/", 1)[0].rsplit("@", 1)[-1].split(":", 1)[0]


def _banner(result: Any) -> bytes | None:
    for path in _BANNERS:
        if isinstance(text := part(result, *path), str) and text:
            return text.encode()[:_LONGEST]
    response = part(result, "response")
    if (code := part(response, "status_code")) is None:
        return None
    line = part(response, "status_line")
    headers = "".join(
        f"{name.replace('_', '-').title()}: {value}\r\n"
        for name in _HEADERS
        for value in _list(part(response, "headers", name))
        if isinstance(value, str)
    )
    return f"HTTP/1.1 {line if isinstance(line, str) else code}\r\n{headers}\r\n".encode()[:_LONGEST]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
