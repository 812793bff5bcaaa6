"""What a port says: listen first, then speak. One file for each thing that is said first; plans.py has their order."""

import time
from typing import Final

from cobalt_tasks.core.errors import OutOfScopeError
from cobalt_tasks.core.records import Banner, Facts, Hostname, Job, NewJob, Outcome, Verdict
from cobalt_tasks.protocols import Fingerprint, printable, recognise
from workers.net import Net, Status
from workers.probes import starttls
from workers.probes.banner import greeting
from workers.probes.banner.dialogue import Answer, Target
from workers.probes.banner.plans import SPEAKERS, Plan, plan
from workers.probes.unanswered import out_of_scope, unreached

SOURCE: Final = "probe"

_SECURED: Final = {"http": "https", "smtp": "smtps", "ftp": "ftps", "imap": "imaps", "pop3": "pop3s", "irc": "ircs"}
"""What a service is called inside TLS."""


async def probe(job: Job, net: Net) -> Outcome:
    """Find out what a port says, and from that what it is.

    Codes: `open`; `silent`, `out of scope`, `unsupported` (not TCP), or how the connection failed.
    """
    if job.protocol != "tcp":
        return Outcome(job=job, verdict=Verdict.FAILED, code="unsupported", detail=f"no words for {job.protocol} ports")
    try:
        async with net.turn() as deadline:
            return await _converse(job, net, plan(job.port), deadline)
    except OutOfScopeError:
        return out_of_scope(job)


async def _converse(job: Job, net: Net, way: Plan, deadline: float) -> Outcome:
    heard: Answer | None = None
    tried = ["listened"]
    for step, (name, patience) in enumerate(way.steps):
        target = Target(job.address, job.port, net.name_of(job.address), patience)
        async with net.connect(job.address, job.port, deadline=deadline) as connection:
            answer = None
            if step == 0:
                listening = Target(job.address, job.port, None, way.listen)
                answer = await greeting.listen(connection, listening)
                if not answer and connection.status is not Status.OPEN:
                    return unreached(job, connection.status)
            answer = answer or await SPEAKERS[name](connection, target)
            tried.append(f"{name}: {connection.status if connection.status is not Status.OPEN else 'silent'}")
        if connection.status is Status.EXHAUSTED:
            return unreached(job, connection.status)
        heard = answer or heard
        if answer and answer.final:
            break
    if heard is None:
        return Outcome(job=job, verdict=Verdict.FAILED, code="silent", detail=", ".join(tried))
    return _outcome(job, heard)


def _outcome(job: Job, answer: Answer) -> Outcome:
    fingerprint = recognise(answer.raw, service=answer.service)
    service = _SECURED.get(fingerprint.service or "", "tls") if answer.tls else fingerprint.service
    has_certificate = service == "tls" or answer.tls or (answer.starttls and job.port in starttls.PORTS)
    certificate = NewJob(kind="certificate", address=job.address, protocol=job.protocol, port=job.port)
    return Outcome(
        job=job,
        verdict=Verdict.DONE,
        code="open",
        detail=service,
        facts=_facts(job, answer, fingerprint, service),
        follow_ups=(certificate,) if has_certificate else (),
    )


def _facts(job: Job, answer: Answer, fingerprint: Fingerprint, service: str | None) -> Facts:
    now = time.time()
    banner = Banner(
        address=job.address,
        protocol=job.protocol,
        port=job.port,
        source=SOURCE,
        observed_at=now,
        text=printable(answer.raw) or answer.tls or "",
        raw=answer.raw,
        service=service,
        product=fingerprint.product,
        version=fingerprint.version,
    )
    met = "redirect" if fingerprint.service == "http" else "greeting"
    names = [Hostname(address=job.address, name=name, source=met, observed_at=now) for name in fingerprint.names]
    return Facts(banners=[banner], hostnames=names)
