"""Certificates that a tool describes without their bytes: by fingerprint, subject, issuer, times and names."""

import re
from typing import Any, Final

from msgspec import Struct

from cobalt_tasks.core.records import Certificate, Sighting
from cobalt_tasks.core.text import hostname
from cobalt_tasks.ingest import values
from cobalt_tasks.ingest.batch import Batch
from cobalt_tasks.ingest.formats.names import common_name

_is_sha256: Final = re.compile(r"[0-9a-f]{64}").fullmatch
_LONGEST: Final = 1024
_LONGEST_SERIAL: Final = 128
_MOST_NAMES: Final = 200


class CertificateDescription(Struct, frozen=True, kw_only=True):
    """What a tool has of a certificate, as it stands there: each of the values may be of any type, or missing.

    `fingerprint` is the SHA-256 in hexadecimal, `serial` the number in hexadecimal, `names` a list.
    """

    fingerprint: Any = None
    subject: Any = None
    issuer: Any = None
    serial: Any = None
    not_before: Any = None
    not_after: Any = None
    names: Any = None


def add(batch: Batch, server: tuple[str, str, int], description: CertificateDescription, when: float | None) -> None:
    """Add which certificate a server showed, and what is in it; nothing without a fingerprint.

    batch: what it is added to; server: address, protocol and port; description: what the tool has of the certificate; when: epoch seconds, None for
    the arrival.
    """
    address, protocol, port = server
    names = {
        each
        for each in [*_names(description.names), common_name(description.subject)]
        if each and hostname(each, wildcard=True)
    }
    for each in sorted(names):
        batch.name(address, each, "certificate", when)
    key = description.fingerprint.lower().replace(":", "") if isinstance(description.fingerprint, str) else ""
    if not _is_sha256(key):
        return
    at = batch.written_at if when is None else min(when, batch.arrived_at)
    seen = Sighting(address=address, protocol=protocol, port=port, fingerprint=key, source=batch.tool, observed_at=at)
    batch.sightings.append(seen)
    start, end = map(values.timestamp_or_none, (description.not_before, description.not_after))
    subject, issuer = (values.text(each, _LONGEST) or "" for each in (description.subject, description.issuer))
    if start is not None and end is not None and subject:
        serial = values.text(description.serial, _LONGEST_SERIAL) or ""
        batch.certificates.append(
            Certificate(
                fingerprint=key,
                der=b"",
                subject=subject,
                issuer=issuer,
                serial=serial.replace(":", "").lower(),
                not_before=start,
                not_after=end,
                self_signed=subject == issuer,
                names=tuple(sorted(names)[:_MOST_NAMES]),
            )
        )


def _names(several: Any) -> list[str]:
    found = several if isinstance(several, list) else []
    return [each for each in found[:_MOST_NAMES] if isinstance(each, str)]
