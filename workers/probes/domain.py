"""The names of an address: PTR records, each asked whether it leads back."""

import asyncio
import time
from typing import Final

from cobalt_tasks.core.addresses import canonical, is_public
from cobalt_tasks.core.durations import DAY, MINUTE
from cobalt_tasks.core.records import Facts, Hostname, Job, Outcome, Verdict
from cobalt_tasks.protocols.dns_messages import Labels, RecordType, reverse_name
from workers.net import Net
from workers.resolvers import DnsAnswer, DnsReply

SOURCE: Final = "ptr"

_MOST_NAMES: Final = 50
_MOST_CONFIRMED: Final = 8
"""Names that are asked for their addresses, at once; more than one is rare."""

_SHORTEST_FRESH: Final = 15 * MINUTE
_LONGEST_FRESH: Final = DAY
_RETRY: Final = 5.0
"""Seconds to the second attempt; each further one waits four times as long."""

_SAFE: Final = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-_")


async def probe(job: Job, net: Net) -> Outcome:
    """Ask for the names of a host.

    Codes: `named`, `no name`; `broken` when resolvers answer with an error, `no resolver` when none answers,
    `no private resolver` when a private address would have to be asked of a public one, `not asked` when no resolver is
    configured.

    job: a claimed job of this kind; net: the network, for all packets.
    """
    async with net.turn() as deadline:
        answer = await net.ask(reverse_name(job.address), RecordType.PTR, about=job.address, deadline=deadline)
        match answer.reply:
            case DnsReply.SILENT:
                return Outcome(
                    job=job,
                    verdict=Verdict.RETRY,
                    code="no resolver",
                    detail="no answer in time",
                    after=_RETRY * 4**job.attempts,
                )
            case DnsReply.NOT_ASKED:
                return _not_looked_up(job)
            case DnsReply.BROKEN:
                return _broken(job)
        targets = _targets(answer)
        if not targets:
            return Outcome(job=job, verdict=Verdict.DONE, code="no name", fresh_for=_fresh_for(answer.ttl))
        asked = [_leads_to(target, job.address, net, deadline) for target in targets[:_MOST_CONFIRMED]]
        # One name is the rule, and needs no task of its own.
        confirmed = [await asked[0]] if len(asked) == 1 else await asyncio.gather(*asked)
    return _outcome(job, answer, targets, confirmed)


def presentation(name: Labels) -> str:
    r"""Return a name in lower case without its final dot; all but letters, digits, - and _ as \DDD (RFC 4343 2.1)."""
    labels = [label.lower() for label in name]
    return ".".join("".join(chr(byte) if byte in _SAFE else f"\\{byte:03d}" for byte in label) for label in labels)


def _targets(answer: DnsAnswer) -> list[Labels]:
    """Return the names of an answer; what stands there and is no host's name is left out."""
    return sorted({name for name in answer.names if _is_name(name)})


def _is_name(name: Labels) -> bool:
    """Return whether a name may be a host's: not the root, not localhost, no address, no name below which addresses stand."""
    if not name or name[-1].lower() == b"localhost" or name[0].lower() == b"localhost":
        return False
    is_address = name[-1].isdigit() or canonical(b".".join(name).decode("ascii", "replace")) is not None
    return not is_address and name[-1].lower() != b"arpa"


async def _leads_to(name: Labels, address: str, net: Net, deadline: float) -> bool | None:
    """Return whether a name has the address; None when no server knows."""
    kind = RecordType.AAAA if ":" in address else RecordType.A
    answer = await net.ask(name, kind, about=address, deadline=deadline)
    if answer.reply in {DnsReply.SILENT, DnsReply.BROKEN, DnsReply.NOT_ASKED}:
        return None
    return any(canonical(each) == address for each in answer.addresses)


def _broken(job: Job) -> Outcome:
    """Return the outcome of an answer such as SERVFAIL: asked for again once, as resolvers recover."""
    detail = "the resolver answers that it does not know"
    if job.attempts == 0:
        return Outcome(job=job, verdict=Verdict.RETRY, code="broken", detail=detail, after=_RETRY)
    return Outcome(job=job, verdict=Verdict.FAILED, code="broken", detail=detail)


def _not_looked_up(job: Job) -> Outcome:
    """Return the outcome of an address for which no resolver may be asked."""
    code, detail = "not asked", "no resolver is configured: name one in COBALT_RESOLVERS"
    if not is_public(job.address):
        code, detail = "no private resolver", "a private address is asked only of resolvers with private addresses"
    return Outcome(job=job, verdict=Verdict.FAILED, code=code, detail=detail)


def _outcome(job: Job, answer: DnsAnswer, targets: list[Labels], confirmed: list[bool | None]) -> Outcome:
    """Return the outcome of a host with names.

    Args:
        job: the job.
        answer: the answer about the address.
        targets: its names.
        confirmed: whether the first of them lead back; None where that is not known.

    """
    now = time.time()
    kept = targets[:_MOST_NAMES]
    leads_back = confirmed + [None] * len(kept)
    names = [
        Hostname(address=job.address, name=presentation(target), source=SOURCE, observed_at=now, confirmed=is_confirmed)
        for target, is_confirmed in zip(kept, leads_back, strict=False)
    ]
    cut = f", the first {_MOST_NAMES} of {len(targets)} names" if len(targets) > _MOST_NAMES else ""
    unasked = f", of which {_MOST_CONFIRMED} were asked for their addresses" if len(targets) > _MOST_CONFIRMED else ""
    return Outcome(
        job=job,
        verdict=Verdict.DONE,
        code="named",
        detail=f"{names[0].name}{cut}{unasked}",
        fresh_for=_fresh_for(answer.ttl),
        facts=Facts(hostnames=names),
    )


def _fresh_for(ttl: int | None) -> float:
    """Return a record's time to live within bounds; a record without one lives longest."""
    return _LONGEST_FRESH if ttl is None else min(max(float(ttl), _SHORTEST_FRESH), _LONGEST_FRESH)
