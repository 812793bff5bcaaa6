"""tlsx -json: one TLS port a line, with its certificate's names and fingerprints."""

from typing import Any, ClassVar, Final

from cobalt_tasks.core.records import Discovery
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.formats import described_certificates
from cobalt_tasks.ingest.formats.encoding import certificates_of
from cobalt_tasks.ingest.formats.json_lines import JsonFormat
from cobalt_tasks.ingest.formats.json_text import part
from cobalt_tasks.ingest.formats.names import host_of

_USED: Final = frozenset({"timestamp", "host", "ip", "port", "probe_status", "certificate", "chain"})
_LONGEST: Final = 128


class Tlsx(JsonFormat):
    """A port that speaks no TLS is ignored."""

    name: ClassVar = "tlsx"
    family: ClassVar = "tlsx"
    tool: ClassVar = "tlsx"
    summary: ClassVar = "-json: certificates and their names, JARM, JA3"

    @classmethod
    def owns(cls, record: dict[str, Any]) -> bool:
        """Recognise by the outcome of a TLS probe, which early versions do not write, or by what it found."""
        is_probe = "probe_status" in record or ("subject_cn" in record and "subject_an" in record)
        return is_probe and "port" in record and ("host" in record or "ip" in record)

    def record(self, record: dict[str, Any], batch: Batch) -> None:
        """Read one port, a `record`, into `batch`."""
        if record.get("probe_status", True) is not True:
            batch.ignore()
            return
        host = record.get("host")
        if record.get("ip") is None and isinstance(host, str) and not values.is_address(host):
            raise RefusedError(f"it has a name ({host[:64]}) and no address: a newer tlsx writes both")
        address = values.address(record.get("ip") or host, "ip")
        port = values.port(record.get("port"), "port")
        when = values.timestamp(record.get("timestamp"))
        words = (values.text(record.get(name), _LONGEST) for name in ("tls_version", "cipher"))
        batch.discover(
            Discovery(
                address=address,
                protocol="tcp",
                port=port,
                observed_at=when,
                service="ssl",
                banner=" ".join(each for each in words if each).encode(),
                details=values.rest(record, _USED),
            ),
        )
        batch.name(address, host_of(host) or host, self.tool, when)
        if isinstance(pem := record.get("certificate"), str) and (found := certificates_of(pem)):
            batch.certificate(address, "tcp", port, found[0], when)
        else:
            described_certificates.add(batch, (address, "tcp", port), of_tls(record), when)


def of_tls(record: Any) -> described_certificates.CertificateDescription:
    """Return what a record of tlsx, or the same part of one of httpx, has of a certificate."""
    common, names = part(record, "subject_cn"), part(record, "subject_an")
    return described_certificates.CertificateDescription(
        fingerprint=part(record, "fingerprint_hash", "sha256"),
        subject=part(record, "subject_dn") or (f"CN={common}" if common else None),
        issuer=part(record, "issuer_dn") or (f"CN={part(record, 'issuer_cn')}" if part(record, "issuer_cn") else None),
        serial=part(record, "serial"),
        not_before=part(record, "not_before"),
        not_after=part(record, "not_after"),
        names=[common, *(names if isinstance(names, list) else ())],
    )
