"""The certificate of a TLS port: handshake without verification, DER, all names."""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from cobalt_tasks.core.errors import OutOfScopeError
from cobalt_tasks.core.records import Job, Outcome, Verdict
from cobalt_tasks.protocols.base import ConnectionStatus, StepResult
from cobalt_tasks.protocols.secure import open_tls
from cobalt_tasks.protocols.tls_scan import Accepted, scan
from workers import shown_certificates
from workers.net import Net
from workers.probes.unanswered import out_of_scope, unreached
from workers.tls import TOO_LONG

_HOPELESS: Final = frozenset({ConnectionStatus.EXHAUSTED, ConnectionStatus.TIMEOUT, ConnectionStatus.REFUSED})
"""After these a handshake with another name ends in the same way."""

_NAME_WANTED: Final = frozenset({"TLSV1_UNRECOGNIZED_NAME", "SSLV3_ALERT_UNRECOGNIZED_NAME"})


async def probe(job: Job, net: Net) -> Outcome:
    """Fetch the certificates of a port, one handshake for each name of the host; without a name one without.

    A port that starts in the clear is asked for TLS first. Codes: `open`; `no tls`, `no name`, `no certificate`,
    `too long`, `unreadable`, `out of scope`, or how the connection failed.

    job: a claimed job of this kind; net: the network, for all packets.
    """
    target = net.target(job)
    shown_to: list[tuple[StepResult, str | None]] = []
    accepted = Accepted()
    try:
        async with net.turn() as deadline:
            for name in target.names or (None,):
                asked = replace(target, names=(name,) if name else ())
                reply = await net.drive(open_tls(asked), asked, deadline=deadline)
                shown_to.append((reply, name))
                if reply.status in _HOPELESS:
                    break
            if target.scan_tls and (first := next((each for each, _ in shown_to if _is_whole(each)), None)):
                accepted = await net.drive(scan(target, first), target, deadline=deadline)
    except OutOfScopeError:
        return out_of_scope(job)
    # The socket is closed by now: others need not wait for it.
    return await _outcome(job, shown_to, accepted)


def _is_whole(reply: StepResult) -> bool:
    return reply.tls is not None and reply.status is ConnectionStatus.OPEN


async def _outcome(job: Job, shown_to: Sequence[tuple[StepResult, str | None]], accepted: Accepted) -> Outcome:
    """Return the outcome of the handshakes of a job.

    Args:
        job: the job.
        shown_to: what came of each handshake, with the name that was asked for.
        accepted: versions and cipher suites that the port accepts, where that was tried.

    """
    replies = [reply for reply, _ in shown_to]
    first = next((reply for reply in replies if reply.certificate), None)
    if first is None:
        return _refused(job, next((reply for reply in replies if reply.tls), replies[-1]))
    certificates = await shown_certificates.read(shown_to, accepted)
    if not certificates:
        return _failed(job, "unreadable", f"{len(first.certificate or b'')} bytes that are no X.509 certificate")
    return Outcome(
        job=job,
        verdict=Verdict.DONE,
        code="open",
        detail=first.tls,
        fresh_for=shown_certificates.fresh_for(certificates),
        facts=shown_certificates.facts_of(job, certificates),
    )


def _refused(job: Job, reply: StepResult) -> Outcome:
    if reply.reason == TOO_LONG:
        return _failed(job, "too long", "the server shows more certificates than are read")
    if reply.tls:
        return _failed(job, "no certificate", reply.tls)
    if reply.reason in _NAME_WANTED:
        return _failed(job, "no name", "the server wants a host name, and accepts none of those known")
    return unreached(job, reply.status, reply.reason)


def _failed(job: Job, code: str, detail: str | None) -> Outcome:
    return Outcome(job=job, verdict=Verdict.FAILED, code=code, detail=detail)
