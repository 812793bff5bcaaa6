"""The certificate of a TLS port: handshake without verification, DER, all names."""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from msgspec.structs import replace

from cobalt_tasks.core import x509
from cobalt_tasks.core.durations import DAY, HOUR
from cobalt_tasks.core.errors import OutOfScopeError
from cobalt_tasks.core.records import Certificate, Facts, Hostname, Job, Outcome, Sighting, Verdict
from cobalt_tasks.core.text import hostname
from cobalt_tasks.protocols.base import ConnectionStatus, StepResult
from cobalt_tasks.protocols.secure import open_tls
from workers.net import Net
from workers.probes.unanswered import out_of_scope, unreached

SOURCE: Final = "certificate"

_LONGEST_FRESH: Final = 7 * DAY

_HOPELESS: Final = frozenset({ConnectionStatus.EXHAUSTED, ConnectionStatus.TIMEOUT, ConnectionStatus.REFUSED})
"""After these a handshake with another name ends in the same way."""

_NAME_WANTED: Final = frozenset({"TLSV1_UNRECOGNIZED_NAME", "SSLV3_ALERT_UNRECOGNIZED_NAME"})

_PARSER: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="certificate")
"""Parses certificates outside the event loop: hostile ones cost 70 ms each, and a batch may meet hundreds of them. One
thread, so that the loop competes with one only.
"""


async def probe(job: Job, net: Net) -> Outcome:
    """Fetch the certificates of a port, one handshake for each name of the host; without a name one without.

    A port that starts in the clear is asked for TLS first. Codes: `open`; `no tls`, `no name`, `no certificate`, `unreadable`, `out of scope`, or how the connection failed.
    """
    target = net.target(job)
    replies: list[StepResult] = []
    try:
        async with net.turn() as deadline:
            for name in target.names or (None,):
                asked = replace(target, names=(name,) if name else ())
                replies.append(await net.drive(open_tls(asked), asked, deadline=deadline))
                if replies[-1].status in _HOPELESS:
                    break
    except OutOfScopeError:
        return out_of_scope(job)
    # The socket is closed by now: others need not wait for it.
    return await _outcome(job, replies)


async def _outcome(job: Job, replies: Sequence[StepResult]) -> Outcome:
    shown = {reply.certificate: reply for reply in replies if reply.certificate}
    if not shown:
        return _refused(job, next((reply for reply in replies if reply.tls), replies[-1]))
    certificates = [await asyncio.get_running_loop().run_in_executor(_PARSER, x509.parse, der) for der in shown]
    readable = [certificate for certificate in certificates if certificate]
    first = next(iter(shown.values()))
    if not readable:
        return _failed(job, "unreadable", f"{len(first.certificate or b'')} bytes that are no X.509 certificate")
    now = time.time()
    return Outcome(
        job=job,
        verdict=Verdict.DONE,
        code="open",
        detail=first.tls,
        fresh_for=max(HOUR, min(_LONGEST_FRESH, min(each.not_after for each in readable) - now)),
        facts=_facts(job, readable, now),
    )


def _refused(job: Job, reply: StepResult) -> Outcome:
    if reply.tls:
        return _failed(job, "no certificate", reply.tls)
    if reply.reason in _NAME_WANTED:
        return _failed(job, "no name", "the server wants a host name, and accepts none of those known")
    return unreached(job, reply.status, reply.reason)


def _facts(job: Job, certificates: Sequence[Certificate], now: float) -> Facts:
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


def _failed(job: Job, code: str, detail: str | None) -> Outcome:
    return Outcome(job=job, verdict=Verdict.FAILED, code=code, detail=detail)
