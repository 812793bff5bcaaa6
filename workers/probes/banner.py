"""What a port speaks, found out by the conversation of protocols/identify.py."""

import time
from typing import Final

from cobalt_tasks.core.errors import OutOfScopeError
from cobalt_tasks.core.records import Banner, Facts, Hostname, Job, NewJob, Outcome, Verdict
from cobalt_tasks.core.text import printable
from cobalt_tasks.fingerprints.installed import recognise_more
from cobalt_tasks.protocols import registry
from cobalt_tasks.protocols.base import Protocol, Target
from cobalt_tasks.protocols.details import details_of
from cobalt_tasks.protocols.identify import Result, identify
from workers.net import Net
from workers.probes.unanswered import out_of_scope, unreached

SOURCE: Final = "probe"
_TRANSPORTS: Final = frozenset({"tcp", "udp"})


async def probe(job: Job, net: Net) -> Outcome:
    """Find out what a port speaks.

    Codes: `open`; `silent`, `out of scope`, `unsupported` (nothing to send), or how the connection failed.
    """
    target = net.target(job)
    if job.protocol not in _TRANSPORTS or (job.protocol == "udp" and not _udp_words(target)):
        return Outcome(job=job, verdict=Verdict.FAILED, code="unsupported", detail=_why_unsupported(job))
    try:
        async with net.turn() as deadline:
            result = await net.drive(identify(target), target, deadline=deadline)
    except OutOfScopeError:
        return out_of_scope(job)
    return _answered(job, result) if result.is_answered else _unanswered(job, result)


def _why_unsupported(job: Job) -> str:
    if job.protocol == "udp" and registry.udp_words_at(job.port, industrial=True):
        return "an industrial port, and COBALT_INDUSTRIAL is not true"
    return f"no words for {job.protocol} ports"


def _udp_words(target: Target) -> list[Protocol]:
    return registry.udp_words_at(target.port, industrial=target.industrial)


def _unanswered(job: Job, result: Result) -> Outcome:
    if result.is_silent:
        return Outcome(job=job, verdict=Verdict.FAILED, code="silent", detail=", ".join(result.tried))
    return unreached(job, result.status)


def _answered(job: Job, result: Result) -> Outcome:
    certificate = NewJob(kind="certificate", address=job.address, protocol=job.protocol, port=job.port)
    return Outcome(
        job=job,
        verdict=Verdict.DONE,
        code="open",
        detail=result.service,
        facts=_facts(job, result),
        follow_ups=(certificate,) if result.has_certificate else (),
    )


def _facts(job: Job, result: Result) -> Facts:
    now = time.time()
    fingerprint = recognise_more(result.fingerprint, result.raw, result.certificate)
    banner = Banner(
        address=job.address,
        protocol=job.protocol,
        port=job.port,
        source=SOURCE,
        observed_at=now,
        text=printable(result.raw) or result.tls or "",
        raw=result.raw,
        service=result.service,
        product=fingerprint.product,
        version=fingerprint.version,
        details=details_of(fingerprint, result.tls),
    )
    met = "redirect" if fingerprint.service == "http" else "greeting"
    names = [Hostname(address=job.address, name=name, source=met, observed_at=now) for name in fingerprint.names]
    return Facts(banners=[banner], hostnames=names)
