"""Zeek's logs about hosts and their services: known_services, known_hosts, known_devices, software, known_certs, dhcp."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from cobalt_tasks.core.records import Discovery, FactRank
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.formats import names, seen_hosts

Record = dict[str, Any]

_SERVICES: Final = {"ssl": "tls", "ssl_http": "https", "http_ssl": "https"}
_TUNNELLED: Final = frozenset({"ssl", "tls"})
_LONGEST: Final = 128
_VERSION: Final = ("version.major", "version.minor", "version.minor2", "version.minor3")
_SERVER: Final = "SERVER"


def service_of(names_of_services: object) -> str | None:
    """Return one name for the services Zeek saw on a port: `["HTTP", "SSL"]` is https."""
    several = names_of_services if isinstance(names_of_services, list) else str(names_of_services or "").split(",")
    found = sorted({each.strip().lower() for each in several if isinstance(each, str) and each.strip()})
    inner = [each for each in found if each not in _TUNNELLED]
    if not found:
        return None
    if not inner:
        return "tls"
    return "https" if len(inner) < len(found) and inner[0] == "http" else values.text(inner[0], _LONGEST)


def _service(record: Record, batch: Batch) -> None:
    batch.discover(
        Discovery(
            address=values.address(record.get("host"), "host"),
            protocol=values.protocol(record.get("port_proto", "tcp")),
            port=values.port(record.get("port_num"), "port_num"),
            observed_at=values.timestamp(record.get("ts")),
            service=service_of(record.get("service")),
            rank=FactRank.TRAFFIC,
            seen_in_traffic=True,
        )
    )


def _certificate(record: Record, batch: Batch) -> None:
    address, when = values.address(record.get("host"), "host"), values.timestamp(record.get("ts"))
    batch.discover(
        Discovery(
            address=address,
            protocol="tcp",
            port=values.port(record.get("port_num"), "port_num"),
            observed_at=when,
            service="tls",
            rank=FactRank.TRAFFIC,
            seen_in_traffic=True,
            details=values.details(
                {name: record[name] for name in ("subject", "issuer_subject", "serial") if name in record}
            ),
        )
    )
    batch.name(address, names.common_name(record.get("subject")), "certificate", when)


def _host(record: Record, batch: Batch) -> None:
    _up(values.address(record.get("host"), "host"), record, batch, {})


def _software(record: Record, batch: Batch) -> None:
    address = values.address(record.get("host"), "host")
    kind = str(record.get("software_type", ""))
    product = values.text(record.get("name"), _LONGEST)
    parts = [str(record[name]) for name in _VERSION if record.get(name) not in (None, "")]
    version = ".".join(parts) + _suffix(record.get("version.addl")) if parts else None
    port = record.get("host_p")
    details: Record = {name: record[name] for name in ("software_type", "unparsed_version") if name in record}
    if port is None or _SERVER not in kind.upper():
        # A client: what it runs is known, no port is.
        _up(address, record, batch, {**details, "software": product, "version": version})
        return
    batch.discover(
        Discovery(
            address=address,
            protocol="tcp",
            port=values.port(port, "host_p"),
            observed_at=values.timestamp(record.get("ts")),
            service=values.text(kind.partition("::")[0].lower(), _LONGEST),
            product=product,
            version=values.text(version, _LONGEST),
            rank=FactRank.TRAFFIC,
            seen_in_traffic=True,
            details=values.details(details),
        )
    )


def _suffix(addition: object) -> str:
    """Return what follows the numbers of a version: `p1` belongs to 8.9p1, `Ubuntu` does not."""
    text = str(addition or "")
    return text if text[:1].isalpha() and text[1:].isdigit() else ""


def _dhcp(record: Record, batch: Batch) -> None:
    address = record.get("assigned_addr") or record.get("client_addr") or record.get("requested_addr")
    if address is None:
        # A question that got no answer.
        batch.ignore()
        return
    kept = ("host_name", "client_fqdn", "domain", "server_addr", "lease_time", "msg_types", "client_software")
    host, when = values.address(address, "assigned_addr"), values.timestamp(record.get("ts"))
    _up(host, record, batch, {name: record[name] for name in kept if name in record})
    name, domain = record.get("host_name"), record.get("domain")
    batch.name(host, record.get("client_fqdn"), "dhcp", when)
    batch.name(host, f"{name}.{domain}" if name and domain else name, "dhcp", when)


def _device(record: Record, batch: Batch) -> None:
    if "host" not in record:
        # Only a MAC address: of which host it is, other logs have.
        batch.ignore()
        return
    _up(values.address(record["host"], "host"), record, batch, {})


def _up(address: str, record: Record, batch: Batch, details: Record) -> None:
    """Add a host that was seen, without a port."""
    when = values.timestamp(record.get("ts"))
    seen_hosts.add(batch, address, when=when, mac=record.get("mac"), vendor=record.get("vendor_mac"), details=details)


READERS: Final[Mapping[str, Callable[[Record, Batch], None]]] = {
    "known_services": _service,
    "known_certs": _certificate,
    "known_hosts": _host,
    "known_devices": _device,
    "devices": _device,
    "software": _software,
    "dhcp": _dhcp,
}
"""What reads a line of each log.

Raises:
    RefusedError: a value is missing, or none.

"""
