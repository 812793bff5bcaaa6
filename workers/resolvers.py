"""DNS: which servers are asked about what, and what comes of it. Never an exception, always an DnsAnswer."""

import asyncio
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import dns.asyncresolver
import dns.exception
import dns.message
import dns.name
import dns.nameserver
import dns.rdata
import dns.rdatatype
import dns.resolver
from msgspec import Struct

from cobalt_tasks.core import checked_values
from cobalt_tasks.core.addresses import Scope, canonical, is_public

_ONE_QUERY: Final = 1.5


class DnsReply(StrEnum):
    """What came of a DNS question."""

    FOUND = "found"
    NOTHING = "nothing"
    """The name does not exist, or has no such record: an answer."""
    BROKEN = "broken"
    """A resolver answered that it cannot tell: SERVFAIL, REFUSED and the like."""
    SILENT = "silent"
    """No resolver answered in time."""
    NOT_ASKED = "not asked"
    """There is no resolver that may be asked about this host."""


class DnsAnswer(Struct, frozen=True):
    """A DNS answer. `ttl` is in seconds, the smallest on the way, or a negative answer's (RFC 2308); None: not said."""

    reply: DnsReply
    records: tuple[dns.rdata.Rdata, ...] = ()
    ttl: int | None = None


class Resolvers:
    """The DNS servers: the ones named, or the system's; never one that is excluded."""

    def __init__(self, scope: Scope, servers: Sequence[str], *, offline: bool) -> None:
        """Sort the servers.

        servers: as ADDRESS[:PORT]; offline: without any, ask none instead of the system's.

        Raises:
            ConfigurationError: a server is no address with a port.

        """
        named = [checked_values.resolver(text) for text in servers] if servers or offline else _system()
        usable = [each for each in named if not scope.excludes(each[0])]
        self._any = _resolver(usable)
        self._private = _resolver([each for each in usable if not is_public(each[0])])

    async def ask(
        self, name: dns.name.Name, kind: dns.rdatatype.RdataType, *, is_private: bool, deadline: float
    ) -> DnsAnswer:
        """Ask for the records of a name; truncated answers are asked for again over TCP.

        is_private: ask only resolvers that have private addresses themselves.
        deadline: by the event loop's clock.
        """
        resolver = self._private if is_private else self._any
        if resolver is None:
            return DnsAnswer(DnsReply.NOT_ASKED)
        lifetime = max(0.0, deadline - asyncio.get_running_loop().time())
        try:
            async with asyncio.timeout(lifetime):
                found = await resolver.resolve(name, kind, lifetime=lifetime, search=False, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN as error:
            return DnsAnswer(DnsReply.NOTHING, ttl=_negative_ttl(error))
        except dns.resolver.NoNameservers as error:
            return DnsAnswer(DnsReply.BROKEN if _was_answered(error) else DnsReply.SILENT)
        except (dns.exception.Timeout, OSError):
            return DnsAnswer(DnsReply.SILENT)
        except dns.exception.DNSException:
            return DnsAnswer(DnsReply.BROKEN)
        records = tuple(found.rrset or ())
        return DnsAnswer(DnsReply.FOUND if records else DnsReply.NOTHING, records, found.chaining_result.minimum_ttl)


def _system() -> list[tuple[str, int]]:
    try:
        found = dns.resolver.Resolver().nameservers
    except dns.resolver.NoResolverConfiguration:
        return []
    return [(address, checked_values.DNS_PORT) for each in found if (address := canonical(str(each)))]


def _resolver(servers: Sequence[tuple[str, int]]) -> dns.asyncresolver.Resolver | None:
    if not servers:
        return None
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers = [dns.nameserver.Do53Nameserver(*each) for each in servers]
    resolver.timeout = _ONE_QUERY
    return resolver


def _negative_ttl(error: dns.resolver.NXDOMAIN) -> int | None:
    for response in error.kwargs.get("responses", {}).values():
        if isinstance(response, dns.message.QueryMessage):
            try:
                return int(response.resolve_chaining().minimum_ttl)
            except dns.exception.DNSException:
                continue
    return None


def _was_answered(error: dns.resolver.NoNameservers) -> bool:
    return any(attempt[-1] is not None for attempt in error.kwargs.get("errors", ()))
