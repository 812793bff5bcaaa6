"""What a port speaks, found out by the conversation of protocols/identify.py."""

import time
from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from cobalt_tasks.core.errors import OutOfScopeError
from cobalt_tasks.core.records import Banner, Facts, Hostname, Job, NewJob, Outcome, Verdict
from cobalt_tasks.core.text import printable
from cobalt_tasks.fingerprints.installed import recognise_more
from cobalt_tasks.protocols import registry
from cobalt_tasks.protocols.base import Connect, ConnectionStatus, Protocol, StartTls, StepResult, Steps, Target
from cobalt_tasks.protocols.details import details_of
from cobalt_tasks.protocols.identify import Result, identify
from workers import shown_certificates
from workers.net import Net
from workers.probes.unanswered import out_of_scope, unreached

SOURCE: Final = "probe"
_CERTIFICATE: Final = "certificate"
"""The kind of the jobs that fetch certificates."""

_TRANSPORTS: Final = frozenset({"tcp", "udp"})


async def probe(job: Job, net: Net) -> Outcome:
    """Find out what a port speaks.

    Inside TLS the certificate was shown: the certificate job of the port has nothing left to do, once the other names of the
    host were asked for. Codes: `open`; `silent`, `out of scope`, `unsupported` (nothing to send), or how the connection failed.

    job: a claimed job of this kind; net: the network, for all packets.
    """
    target = net.target(job)
    if job.protocol not in _TRANSPORTS or (job.protocol == "udp" and not _udp_words(target)):
        return Outcome(job=job, verdict=Verdict.FAILED, code="unsupported", detail=_why_unsupported(job))
    try:
        async with net.turn() as deadline:
            result = await net.drive(identify(target), target, deadline=deadline)
        others = await _other_certificates(target, net) if result.certificate else []
    except OutOfScopeError:
        return out_of_scope(job)
    if not result.is_answered:
        return _unanswered(job, result)
    outcome = _answered(job, result)
    # To find out what the port accepts is the certificate job's.
    certificates = [] if target.scan_tls else await shown_certificates.read([(_shown(result), target.name), *others])
    return _with_certificates(outcome, certificates) if certificates else outcome


def _shown(result: Result) -> StepResult:
    """Return the handshake in which a port was found out."""
    return StepResult(tls=result.tls, certificate=result.certificate, alpn=result.alpn, chain=result.chain)


async def _other_certificates(target: Target, net: Net) -> list[tuple[StepResult, str | None]]:
    """Ask a port that speaks TLS for the host's names but the first, which the handshake before asked for."""
    found: list[tuple[StepResult, str | None]] = []
    for name in target.names[1:]:
        async with net.turn() as deadline:
            reply = await net.drive(_handshake(name), target, deadline=deadline)
        found.append((reply, name))
    return found


def _handshake(name: str) -> Steps[StepResult]:
    if (opened := (yield Connect())).status is not ConnectionStatus.OPEN:
        return opened
    return (yield StartTls(name))


def _with_certificates(outcome: Outcome, certificates: Sequence[shown_certificates.Shown]) -> Outcome:
    facts = outcome.facts or Facts()
    facts.extend(shown_certificates.facts_of(outcome.job, certificates))
    return replace(
        outcome, facts=facts, follow_ups=(), settles={_CERTIFICATE: shown_certificates.fresh_for(certificates)}
    )


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
    certificate = NewJob(kind=_CERTIFICATE, address=job.address, protocol=job.protocol, port=job.port)
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
    return Facts(banners=[banner], hostnames=names, certificates=[], sightings=[])
