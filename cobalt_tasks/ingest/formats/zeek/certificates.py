"""Certificates in Zeek's logs: ssl.log names those that a server showed, x509.log describes them; both may come first.

What joins the two is the certificate's fingerprint, or in logs of Zeek before 5 the id of its file.
"""

from typing import Any, Final

from cobalt_tasks.core import x509
from cobalt_tasks.core.records import Certificate, Sighting
from cobalt_tasks.core.text import hostname
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.formats import names
from cobalt_tasks.ingest.formats.encoding import base64_or_nothing

_LONGEST: Final = 1024
_LONGEST_KEY: Final = 128
_MOST_NAMES: Final = 200

Record = dict[str, Any]


def show(record: Record, batch: Batch, server: tuple[str, str, int], when: float | None) -> None:
    """Add which certificate the server of a connection showed.

    record: a line of ssl.log; batch: what it is added to; server: address, protocol and port; when: epoch seconds, None
    for the arrival.
    """
    key = _first(record.get("cert_chain_fps")) or _of_file(_first(record.get("cert_chain_fuids")))
    if key:
        address, protocol, port = server
        at = batch.written_at if when is None else min(when, batch.arrived_at)
        seen = Sighting(
            address=address, protocol=protocol, port=port, fingerprint=key, source=batch.tool, observed_at=at
        )
        batch.sightings.append(seen)


def describe(record: Record, batch: Batch) -> None:
    """Add the certificate that a line of x509.log describes to the batch; it is no connection, and so is not counted as one.

    record: the line; batch: what it is added to.
    """
    if isinstance(encoded := record.get("cert"), str) and (parsed := x509.parse(base64_or_nothing(encoded))):
        batch.certificates.append(parsed)
    elif described := _described(record):
        batch.certificates.append(described)
    batch.ignore()


def _described(record: Record) -> Certificate | None:
    key = _first(record.get("fingerprint")) or _of_file(_first(record.get("id")))
    try:
        start = values.timestamp(record.get("certificate.not_valid_before"))
        end = values.timestamp(record.get("certificate.not_valid_after"))
    except RefusedError:
        return None
    subject = values.text(record.get("certificate.subject"), _LONGEST) or ""
    issuer = values.text(record.get("certificate.issuer"), _LONGEST) or ""
    if not key or start is None or end is None:
        return None
    found = {name for each in _all(record.get("san.dns")) if (name := hostname(each, wildcard=True))}
    found |= {each for each in _all(record.get("san.ip")) if values.is_address(each)}
    if common := hostname(names.common_name(subject) or "", wildcard=True):
        found.add(common)
    return Certificate(
        fingerprint=key,
        der=b"",
        subject=subject,
        issuer=issuer,
        serial=(values.text(record.get("certificate.serial"), _LONGEST_KEY) or "").lower(),
        not_before=start,
        not_after=end,
        self_signed=bool(subject) and subject == issuer,
        names=tuple(sorted(found)[:_MOST_NAMES]),
    )


def _of_file(name: str | None) -> str | None:
    return f"zeek:{name}" if name else None


def _first(value: object) -> str | None:
    found = _all(value)
    return found[0].lower() if found and len(found[0]) <= _LONGEST_KEY and found[0].isascii() else None


def _all(value: object) -> list[str]:
    """Return the texts of a vector or set, which a log without types has as one text with commas."""
    several = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else []
    return [each for each in several[:_MOST_NAMES] if isinstance(each, str) and each]
