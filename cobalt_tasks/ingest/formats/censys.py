"""Censys: host documents of its search and its platform, one a line, in arrays, or as its API answers.

Censys scanned these hosts, not the user: what it reports is kept and shown, and nothing is probed for that alone.
"""

from typing import Any, ClassVar, Final

from cobalt_tasks.core.records import Discovery, FactRank
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.formats import described_certificates
from cobalt_tasks.ingest.formats.json_lines import JsonFormat
from cobalt_tasks.ingest.formats.json_text import part
from cobalt_tasks.ingest.formats.nmap.services import secured

Record = dict[str, Any]

_WRAPPERS: Final = ("result", "resource", "host", "host_v1")
"""Keys below which answers of the API have a document."""

_TRANSPORTS: Final = {"quic": "udp"}
_USED: Final = frozenset({
    *("port", "transport_protocol", "observed_at", "scan_time", "banner", "banner_hex", "banner_hashes", "_encoding"),
    *("certificate", "cert", "source_ip", "perspective_id", "truncated", "discovery_method", "_decoded", "ip"),
})  # fmt: skip
_OF_HOST: Final = frozenset({"ip", "services", "matched_services", "dns", "last_updated_at", "services_hash", "name"})
_SIGNS: Final = frozenset({"service_name", "extended_service_name", "transport_protocol"})
_LONGEST: Final = 128
_LONGEST_BANNER: Final = 16 * 1024
_DEEPEST: Final = 4
_MOST: Final = 1024


class Censys(JsonFormat):
    """One document a host: its services with software, banner and certificate, its names; all else in the details."""

    name: ClassVar = "censys"
    family: ClassVar = "censys"
    tool: ClassVar = "censys"
    summary: ClassVar = (
        "host documents of the search and the platform, and answers of its API; nothing is probed for them"
    )
    is_traffic: ClassVar = True
    longest: ClassVar[int] = 16 << 20
    """A host with many services and their pages."""

    @classmethod
    def owns(cls, record: Record) -> bool:
        """Recognise by an address with services that have a transport and a name."""
        return any(_is_document(each) for each in _documents(record, 0))

    def record(self, record: Record, batch: Batch) -> None:
        """Read one document, or an answer with several: a `record`, into `batch`."""
        found = _documents(record, 0)
        if not found:
            raise RefusedError("ip and services are missing")
        for each in found:
            self._host(each, batch)

    def _host(self, record: Record, batch: Batch) -> None:
        address = values.address(record.get("ip"), "ip")
        when = values.timestamp(record.get("last_updated_at"))
        services = [each for each in record["services"][:_MOST] if isinstance(each, dict)]
        found = [_service(address, each, when) for each in services]
        if when is None:
            # The platform's documents have no time of their own.
            when = max((each.observed_at for each in found if each.observed_at is not None), default=None)
        about = values.rest(record, _OF_HOST)
        batch.discover(
            Discovery(address=address, protocol="ip", port=0, observed_at=when, seen_in_traffic=True, details=about)
        )
        for said, discovery in zip(services, found, strict=True):
            batch.discover(discovery)
            server = (address, discovery.protocol, discovery.port)
            described_certificates.add(batch, server, _certificate(said), discovery.observed_at)
        for name in _names(record):
            batch.name(address, name, self.tool, when)


def _documents(record: Any, depth: int) -> list[Record]:
    """Return the documents of hosts in an answer: itself, or those some levels down."""
    if not isinstance(record, dict) or depth > _DEEPEST:
        return []
    if "ip" in record and isinstance(record.get("services"), list):
        return [record]
    hits = record.get("hits")
    inner = hits if isinstance(hits, list) else [record[name] for name in _WRAPPERS if name in record]
    return [each for one in inner[:_MOST] for each in _documents(one, depth + 1)]


def _is_document(record: Record) -> bool:
    services = record["services"]
    return all(isinstance(each, dict) and "port" in each and not _SIGNS.isdisjoint(each) for each in services) and (
        bool(services) or "autonomous_system" in record
    )


def _service(address: str, said: Record, when: float | None) -> Discovery:
    transport = str(said.get("transport_protocol") or "tcp").lower()
    seen = said.get("observed_at") or said.get("scan_time")
    software = _software(said.get("software"))
    banner = said.get("banner")
    return Discovery(
        address=address,
        protocol=values.protocol(_TRANSPORTS.get(transport, transport)),
        port=values.port(said.get("port"), "port"),
        observed_at=values.timestamp(seen) if seen is not None else when,
        service=_name(said),
        product=values.text(software.get("product"), _LONGEST),
        version=values.text(software.get("version"), _LONGEST),
        banner=banner.encode("utf-8", "replace")[:_LONGEST_BANNER] if isinstance(banner, str) else None,
        rank=FactRank.BANNER,
        seen_in_traffic=True,
        details=values.rest(said, _USED),
    )


def _name(said: Record) -> str | None:
    extended = said.get("extended_service_name")
    named = extended or said.get("service_name") or said.get("protocol")
    name = values.text(named, _LONGEST)
    if name is None or name == "UNKNOWN":
        return "tls" if "tls" in said else None
    is_secured = "tls" in said and not extended
    return secured(name.lower()) if is_secured else name.lower()


def _software(several: Any) -> Record:
    """Return the application among what was recognised, not the system below it."""
    found = [each for each in (several if isinstance(several, list) else ())[:_MOST] if isinstance(each, dict)]
    return next((each for each in found if each.get("product") and each.get("part") in (None, "a", "")), {})


def _certificate(said: Record) -> described_certificates.CertificateDescription:
    leaf = part(said, "tls", "certificates", "leaf_data") or said.get("cert") or {}
    parsed = part(leaf, "parsed") or leaf
    validity = part(parsed, "validity_period") or part(parsed, "validity") or {}
    fingerprint = said.get("certificate") or part(leaf, "fingerprint_sha256") or part(leaf, "fingerprint")
    fingerprint = fingerprint or part(said, "tls", "fingerprint_sha256")
    return described_certificates.CertificateDescription(
        fingerprint=fingerprint or part(said, "tls", "certificates", "leaf_fp_sha_256"),
        subject=part(parsed, "subject_dn"),
        issuer=part(parsed, "issuer_dn"),
        serial=part(parsed, "serial_number_hex") or part(parsed, "serial_number"),
        not_before=part(validity, "not_before") or part(validity, "start"),
        not_after=part(validity, "not_after") or part(validity, "end"),
        names=part(leaf, "names"),
    )


def _names(record: Record) -> list[Any]:
    dns = record.get("dns")
    several = (part(dns, "reverse_dns", "names"), part(dns, "names"), [record.get("name")])
    return [each for found in several if isinstance(found, list) for each in found[:_MOST]]
