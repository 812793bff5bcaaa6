"""The certificate of a TLS port: handshake without verification, DER, all names."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from cobalt_tasks.core import x509
from cobalt_tasks.core.durations import DAY, HOUR
from cobalt_tasks.core.errors import OutOfScopeError
from cobalt_tasks.core.records import Certificate, Facts, Hostname, Job, Outcome, Sighting, Verdict
from cobalt_tasks.core.text import hostname
from cobalt_tasks.protocols.base import StepResult
from cobalt_tasks.protocols.secure import open_tls
from workers.net import Net
from workers.probes.unanswered import out_of_scope, unreached

SOURCE: Final = "certificate"

_LONGEST_FRESH: Final = 7 * DAY

_PARSER: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="certificate")
"""Parses certificates outside the event loop: hostile ones cost 70 ms each, and a batch may meet hundreds of them. One
thread, so that the loop competes with one only.
"""


async def probe(job: Job, net: Net) -> Outcome:
    """Fetch the certificate of a port; a port that starts in the clear is asked for TLS first.

    Codes: `open`; `no tls`, `no certificate`, `unreadable`, `out of scope`, or how the connection failed.
    """
    target = net.target(job)
    try:
        async with net.turn() as deadline:
            reply = await net.drive(open_tls(target), target, deadline=deadline)
    except OutOfScopeError:
        return out_of_scope(job)
    # The socket is closed by now: others need not wait for it.
    return await _outcome(job, reply) if reply.tls else unreached(job, reply.status, reply.reason)


async def _outcome(job: Job, reply: StepResult) -> Outcome:
    if not reply.certificate:
        return _failed(job, "no certificate", reply.tls)
    certificate = await asyncio.get_running_loop().run_in_executor(_PARSER, x509.parse, reply.certificate)
    if certificate is None:
        return _failed(job, "unreadable", f"{len(reply.certificate)} bytes that are no X.509 certificate")
    now = time.time()
    return Outcome(
        job=job,
        verdict=Verdict.DONE,
        code="open",
        detail=reply.tls,
        fresh_for=max(HOUR, min(_LONGEST_FRESH, certificate.not_after - now)),
        facts=_facts(job, certificate, now),
    )


def _facts(job: Job, certificate: Certificate, now: float) -> Facts:
    # Addresses and wildcards among the names stay in the certificate: they are no host names.
    names = [name for name in certificate.names if hostname(name)]
    return Facts(
        certificates=[certificate],
        sightings=[
            Sighting(
                address=job.address,
                protocol=job.protocol,
                port=job.port,
                fingerprint=certificate.fingerprint,
                source="probe",
                observed_at=now,
            )
        ],
        hostnames=[Hostname(address=job.address, name=name, source=SOURCE, observed_at=now) for name in names],
    )


def _failed(job: Job, code: str, detail: str | None) -> Outcome:
    return Outcome(job=job, verdict=Verdict.FAILED, code=code, detail=detail)
