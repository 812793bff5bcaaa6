"""The certificates that servers showed: read outside the event loop, as facts of their ports."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import msgspec

from cobalt_tasks.core import x509
from cobalt_tasks.core.durations import DAY, HOUR
from cobalt_tasks.core.records import Certificate, Facts, Hostname, Job, Sighting
from cobalt_tasks.core.text import hostname
from cobalt_tasks.protocols.base import StepResult
from cobalt_tasks.protocols.tls_scan import NOTHING_TRIED, Accepted

SOURCE: Final = "certificate"

_LONGEST_FRESH: Final = 7 * DAY

_LONGEST: Final = 200
"""Characters of a name in the chain."""

_PARSER: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="certificate")
"""Parses certificates outside the event loop: hostile ones cost 70 ms each, and a window may meet hundreds of them. One
thread, so that the loop competes with one only.
"""


Shown = tuple[Certificate, str]
"""A certificate, and what its handshake showed besides, as JSON text."""


async def read(handshakes: Iterable[tuple[StepResult, str | None]], accepted: Accepted = NOTHING_TRIED) -> list[Shown]:
    """Return the certificates that were shown, each once with its first handshake; what is none is left out.

    Args:
        handshakes: what came of each, with the name that was asked for.
        accepted: versions and cipher suites that the port accepts, where that was tried.

    """
    first: dict[bytes, tuple[StepResult, str | None]] = {}
    for reply, name in handshakes:
        if reply.certificate:
            first.setdefault(reply.certificate, (reply, name))
    loop = asyncio.get_running_loop()
    found = [await loop.run_in_executor(_PARSER, _read, *each, accepted) for each in first.values()]
    return [each for each in found if each]


def _read(reply: StepResult, name: str | None, accepted: Accepted) -> Shown | None:
    certificate = x509.parse(reply.certificate or b"")
    if certificate is None:
        return None
    version, _, cipher = (reply.tls or "").partition(" ")
    chain = [names for der in reply.chain if (names := x509.names_of(der))]
    found = {
        "tls": version,
        "cipher": cipher,
        "alpn": reply.alpn,
        "name": name,
        "is_other_name": name is not None and not _covers(certificate.names, name),
        "chain": [{"subject": subject[:_LONGEST], "issuer": issuer[:_LONGEST]} for subject, issuer in chain],
        "versions": accepted.versions,
        "ciphers": accepted.ciphers,
    }
    return certificate, msgspec.json.encode({key: value for key, value in found.items() if value}).decode()


def _covers(names: Sequence[str], name: str) -> bool:
    """Return whether a certificate for `names` is one for `name` (RFC 6125 6.4); a wildcard stands for one label."""
    return name in names or f"*.{name.partition('.')[2]}" in names


def fresh_for(certificates: Sequence[Shown]) -> float:
    """Return how long certificates of one port stay good, in seconds: at most until the first of them expires."""
    return max(HOUR, min(_LONGEST_FRESH, min(each.not_after for each, _ in certificates) - time.time()))


def facts_of(job: Job, certificates: Sequence[Shown]) -> Facts:
    """Return the facts that follow from certificates.

    Args:
        job: about the port that showed them.
        certificates: what it showed.

    """
    now = time.time()
    # Addresses and wildcards among the names stay in the certificate: they are no host names.
    names = sorted({name for certificate, _ in certificates for name in certificate.names if hostname(name)})
    return Facts(
        certificates=[certificate for certificate, _ in certificates],
        sightings=[
            Sighting(
                address=job.address,
                protocol=job.protocol,
                port=job.port,
                fingerprint=certificate.fingerprint,
                source="probe",
                observed_at=now,
                details=details,
            )
            for certificate, details in certificates
        ],
        hostnames=[Hostname(address=job.address, name=name, source=SOURCE, observed_at=now) for name in names],
    )
