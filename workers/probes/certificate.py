"""The certificate of a TLS port: handshake without verification, DER, all names."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from cobalt_tasks.core import x509
from cobalt_tasks.core.catalog import DAY, HOUR
from cobalt_tasks.core.errors import OutOfScopeError
from cobalt_tasks.core.records import Certificate, Facts, Hostname, Job, Outcome, Sighting, Verdict
from cobalt_tasks.core.text import hostname
from workers.net import Connection, Net, Status
from workers.probes import starttls
from workers.probes.unanswered import out_of_scope, unreached

SOURCE: Final = "certificate"

_HANDSHAKE: Final = 2.0
"""Seconds for the handshake, on top of four round trips."""

_LONGEST_FRESH: Final = 7 * DAY

_PARSER: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="certificate")
"""Parses certificates outside the event loop: hostile ones cost 70 ms each, and a batch may meet hundreds of them. One
thread, so that the loop competes with one only.
"""


async def probe(job: Job, net: Net) -> Outcome:
    """Fetch the certificate of a port; ports that begin in the clear are asked for TLS first.

    Codes: `open`; `no tls`, `no certificate`, `unreadable`, `out of scope`, or how the connection failed.
    """
    try:
        async with net.turn() as deadline, net.connect(job.address, job.port, deadline=deadline) as connection:
            dialogue = starttls.PORTS.get(job.port)
            if connection.status is not Status.OPEN:
                return unreached(job, connection.status)
            if dialogue and not await dialogue(connection):
                return _failed(job, Status.NO_TLS.value, "does not offer STARTTLS")
            if not await connection.start_tls(net.name_of(job.address), wait=_HANDSHAKE):
                return unreached(job, connection.status, connection.reason)
    except OutOfScopeError:
        return out_of_scope(job)
    # The socket is closed by now: others need not wait for it.
    return await _outcome(job, connection)


async def _outcome(job: Job, connection: Connection) -> Outcome:
    if not connection.certificate:
        return _failed(job, "no certificate", connection.tls)
    certificate = await asyncio.get_running_loop().run_in_executor(_PARSER, x509.parse, connection.certificate)
    if certificate is None:
        return _failed(job, "unreadable", f"{len(connection.certificate)} bytes that are no X.509 certificate")
    now = time.time()
    return Outcome(
        job=job,
        verdict=Verdict.DONE,
        code="open",
        detail=connection.tls,
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
