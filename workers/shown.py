"""The certificates that servers showed: read outside the event loop, as facts of their ports."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from cobalt_tasks.core import x509
from cobalt_tasks.core.durations import DAY, HOUR
from cobalt_tasks.core.records import Certificate, Facts, Hostname, Job, Sighting
from cobalt_tasks.core.text import hostname

SOURCE: Final = "certificate"

_LONGEST_FRESH: Final = 7 * DAY

_PARSER: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="certificate")
"""Parses certificates outside the event loop: hostile ones cost 70 ms each, and a window may meet hundreds of them. One
thread, so that the loop competes with one only.
"""


async def read(shown: Iterable[bytes]) -> list[Certificate]:
    """Return the certificates among what servers showed as DER; what is none is left out."""
    loop = asyncio.get_running_loop()
    found = [await loop.run_in_executor(_PARSER, x509.parse, der) for der in shown]
    return [certificate for certificate in found if certificate]


def fresh_for(certificates: Sequence[Certificate]) -> float:
    """Return how long certificates of one port stay good, in seconds: at most until the first of them expires."""
    return max(HOUR, min(_LONGEST_FRESH, min(each.not_after for each in certificates) - time.time()))


def facts_of(job: Job, certificates: Sequence[Certificate]) -> Facts:
    """Return the facts that follow from certificates.

    Args:
        job: about the port that showed them.
        certificates: what it showed.

    """
    now = time.time()
    # Addresses and wildcards among the names stay in the certificate: they are no host names.
    names = sorted({name for certificate in certificates for name in certificate.names if hostname(name)})
    return Facts(
        certificates=list(certificates),
        sightings=[
            Sighting(
                address=job.address,
                protocol=job.protocol,
                port=job.port,
                fingerprint=certificate.fingerprint,
                source="probe",
                observed_at=now,
            )
            for certificate in certificates
        ],
        hostnames=[Hostname(address=job.address, name=name, source=SOURCE, observed_at=now) for name in names],
    )
