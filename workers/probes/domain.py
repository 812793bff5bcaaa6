"""The names of an address: PTR records, each asked whether it leads back."""

import asyncio
import time
from ipaddress import ip_address
from typing import Final

import dns.name
import dns.rdatatype
import dns.rdtypes.ANY.PTR
import dns.rdtypes.IN.A
import dns.rdtypes.IN.AAAA
import dns.reversename

from cobalt_tasks.core.addresses import is_public
from cobalt_tasks.core.durations import DAY, MINUTE
from cobalt_tasks.core.records import Facts, Hostname, Job, Outcome, Verdict
from workers.net import Net
from workers.resolvers import DnsAnswer, DnsReply

SOURCE: Final = "ptr"

_MOST_NAMES: Final = 50
_MOST_CONFIRMED: Final = 8
"""Names that are asked for their addresses, at once; more than one is rare."""

_ADDRESS_RECORDS: Final = (dns.rdtypes.IN.A.A, dns.rdtypes.IN.AAAA.AAAA)
_SHORTEST_FRESH: Final = 15 * MINUTE
_LONGEST_FRESH: Final = DAY
_RETRY: Final = 5.0
"""Seconds to the second attempt; each further one waits four times as long."""

_SAFE: Final = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-_")


async def probe(job: Job, net: Net) -> Outcome:
    """Ask for the names of a host.

    Codes: `named`, `no name`; `broken` when resolvers cannot tell, `no resolver` when none answers, `no private resolver`
    when a private address would have to be asked of a public one, `not asked` when there is none at all.
    """
    async with net.turn() as deadline:
        question = dns.reversename.from_address(job.address)
        answer = await net.ask(question, dns.rdatatype.PTR, about=job.address, deadline=deadline)
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
                return _not_asked(job)
            case DnsReply.BROKEN:
                return Outcome(job=job, verdict=Verdict.FAILED, code="broken", detail="the resolver cannot tell")
        targets = _targets(answer)
        if not targets:
            return Outcome(job=job, verdict=Verdict.DONE, code="no name", fresh_for=_fresh_for(answer.ttl))
        asked = [_leads_to(target, job.address, net, deadline) for target in targets[:_MOST_CONFIRMED]]
        confirmed = await asyncio.gather(*asked)
    return _outcome(job, answer, targets, confirmed + [None] * len(targets))


def presentation(name: dns.name.Name) -> str:
    r"""Return a name in lower case without its final dot; all but letters, digits, - and _ as \DDD (RFC 4343 2.1)."""
    labels = [label.lower() for label in name.labels if label]
    return ".".join("".join(chr(byte) if byte in _SAFE else f"\\{byte:03d}" for byte in label) for label in labels)


def _targets(answer: DnsAnswer) -> list[dns.name.Name]:
    names = {record.target for record in answer.records if isinstance(record, dns.rdtypes.ANY.PTR.PTR)}
    return sorted(name for name in names if name != dns.name.root)[:_MOST_NAMES]


async def _leads_to(name: dns.name.Name, address: str, net: Net, deadline: float) -> bool | None:
    """Tell whether a name has the address; None when nobody can tell."""
    wanted = ip_address(address)
    kind = dns.rdatatype.A if wanted.version == 4 else dns.rdatatype.AAAA  # noqa: PLR2004  # IPv4
    answer = await net.ask(name, kind, about=address, deadline=deadline)
    if answer.reply in {DnsReply.SILENT, DnsReply.BROKEN, DnsReply.NOT_ASKED}:
        return None
    return any(
        ip_address(record.address) == wanted for record in answer.records if isinstance(record, _ADDRESS_RECORDS)
    )


def _not_asked(job: Job) -> Outcome:
    code, detail = "not asked", "no resolver is configured: name one in COBALT_RESOLVERS"
    if not is_public(job.address):
        code, detail = "no private resolver", "a private address is asked only of resolvers with private addresses"
    return Outcome(job=job, verdict=Verdict.FAILED, code=code, detail=detail)


def _outcome(job: Job, answer: DnsAnswer, targets: list[dns.name.Name], confirmed: list[bool | None]) -> Outcome:
    now = time.time()
    names = [
        Hostname(address=job.address, name=presentation(target), source=SOURCE, observed_at=now, confirmed=leads_back)
        for target, leads_back in zip(targets, confirmed, strict=False)
    ]
    return Outcome(
        job=job,
        verdict=Verdict.DONE,
        code="named",
        detail=names[0].name,
        fresh_for=_fresh_for(answer.ttl),
        facts=Facts(hostnames=names),
    )


def _fresh_for(ttl: int | None) -> float:
    """Return a record's time to live within bounds; one that says nothing lives longest."""
    return _LONGEST_FRESH if ttl is None else min(max(float(ttl), _SHORTEST_FRESH), _LONGEST_FRESH)
